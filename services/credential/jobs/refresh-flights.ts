/** Flights under way, by institution. */
export interface FlightCount {
  add(institution: string, flight: Promise<void>): void;
  /** Of one institution, or of all. */
  count(institution?: string): number;
  /** How many were ever added. */
  started(): number;
  /** When the next one has ended, or after a moment in which more may have become due. */
  someEnded(): Promise<void>;
  allEnded(): Promise<void>;
}

const momentMs = 200;

/** Counts flights from nothing. */
export function countFlights(): FlightCount {
  const underWay = new Set<Promise<void>>();
  const byInstitution = new Map<string, number>();
  let started = 0;
  return {
    add: (institution, flight) => {
      started += 1;
      byInstitution.set(institution, (byInstitution.get(institution) ?? 0) + 1);
      const ended = flight.finally(() => {
        underWay.delete(ended);
        byInstitution.set(institution, (byInstitution.get(institution) ?? 1) - 1);
      });
      underWay.add(ended);
    },
    count: (institution) => (institution === undefined ? underWay.size : (byInstitution.get(institution) ?? 0)),
    started: () => started,
    someEnded: async () => {
      const moment = Promise.withResolvers<void>();
      const timer = setTimeout(moment.resolve, momentMs);
      await Promise.race([moment.promise, ...underWay]);
      clearTimeout(timer);
    },
    allEnded: async () => {
      await Promise.all(underWay);
    },
  };
}
