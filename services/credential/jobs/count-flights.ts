/** Flights under way, refreshes or other work of a process, by the names they are counted under. */
export interface FlightCount {
  /** One that rejects is nobody's: it has to end well, or log why not. */
  add(names: readonly string[], flight: Promise<void>): void;
  /** Under one name, or all. */
  count(name?: string): number;
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
  const byName = new Map<string, number>();
  let started = 0;
  return {
    add: (names, flight) => {
      started += 1;
      for (const name of names) byName.set(name, (byName.get(name) ?? 0) + 1);
      const ended = flight.finally(() => {
        underWay.delete(ended);
        for (const name of names) byName.set(name, (byName.get(name) ?? 1) - 1);
      });
      underWay.add(ended);
    },
    count: (name) => (name === undefined ? underWay.size : (byName.get(name) ?? 0)),
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
