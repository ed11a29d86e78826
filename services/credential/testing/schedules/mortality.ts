/** How long a worker lives, and where it stands still. */
export interface Mortality {
  isAlive(): boolean;
  /** Dies after so many more steps. */
  dieAfter(steps: number): void;
  /** Stands still after so many more steps, as a whole, until it is woken: a process that the machine has forgotten. */
  stallAfter(steps: number): () => void;
  /** Resolves when it has died. */
  readonly died: Promise<void>;
  /** Before anything that others can see. Never resolves in a dead worker. */
  step(): Promise<void>;
  /** Counts a database session that ends with the worker, by `end`; the answer ends it before, once. */
  opened(end: () => void): () => void;
  /** He holds a token that is nowhere else: no engine survives a death now, so it waits until he has kept it. */
  rotated(): void;
  kept(): void;
}

/** A worker that lives until told otherwise. */
export function createMortality(): Mortality {
  const sessions = new Set<() => void>();
  const death = Promise.withResolvers<void>();
  let stepsLeft = Number.POSITIVE_INFINITY;
  let stepsToStall = Number.POSITIVE_INFINITY;
  let standstill = Promise.withResolvers<void>();
  let stands = false;
  let holdsRotated = false;

  const isAlive = (): boolean => stepsLeft > 0 || holdsRotated;
  const die = async (): Promise<never> => {
    for (const end of [...sessions]) end();
    death.resolve();
    return await new Promise<never>(() => {});
  };
  return {
    isAlive,
    dieAfter: (steps) => {
      stepsLeft = Math.min(stepsLeft, steps);
    },
    stallAfter: (steps) => {
      stepsToStall = steps;
      standstill = Promise.withResolvers();
      return () => {
        stepsToStall = Number.POSITIVE_INFINITY;
        stands = false;
        standstill.resolve();
      };
    },
    died: death.promise,
    step: async () => {
      stepsLeft -= 1;
      stepsToStall -= 1;
      stands ||= stepsToStall === 0;
      if (stands) await standstill.promise;
      if (!isAlive()) await die();
    },
    opened: (end) => {
      const endOnce = (): void => {
        if (sessions.delete(endOnce)) end();
      };
      sessions.add(endOnce);
      return endOnce;
    },
    rotated: () => {
      holdsRotated = true;
    },
    kept: () => {
      holdsRotated = false;
    },
  };
}
