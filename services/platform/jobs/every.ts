import type { Logger } from "pino";

const jitterShare = 0.1;

/** A piece of work that comes back. */
export interface EveryOptions {
  /** Names the work in the log. */
  readonly label: string;
  /** From the end of one run to the start of the next, give or take a tenth so that replicas drift apart. */
  readonly intervalMs: number;
  /** Safe to run on several replicas at once: it claims its rows. A rejection is logged and the next run comes in time. */
  readonly work: (signal: AbortSignal) => Promise<unknown>;
  readonly log: Pick<Logger, "error">;
}

/**
 * Runs `work` now and then again, never twice at a time in this process. `stop()` aborts the signal and waits for the
 * run in flight.
 */
export function every(options: EveryOptions): { stop(): Promise<void> } {
  if (!(options.intervalMs > 0)) throw new RangeError(`${options.label}: the interval must be positive`);
  const stopping = new AbortController();
  const ended = repeat(options, stopping.signal);
  return {
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}

async function repeat(options: EveryOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await options.work(signal);
    } catch (error) {
      if (!signal.aborted) options.log.error({ err: error, label: options.label }, "periodic work failed");
    }
    const jitter = 1 + jitterShare * (2 * Math.random() - 1);
    await pause(options.intervalMs * jitter, signal);
  }
}

/** Resolves after the time or when the signal is aborted, whichever comes first; never rejects. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(finish, ms);
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    }
    signal.addEventListener("abort", finish);
  });
}
