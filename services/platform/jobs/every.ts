import type { Logger } from "pino";

const jitterShare = 0.1;

/** A piece of work that comes back. */
export interface EveryOptions {
  /** Names the work in the log. */
  readonly label: string;
  /** From the end of one run to the start of the next, give or take a tenth so that replicas drift apart; asked anew after each run. */
  readonly intervalMs: number | (() => number);
  /** Safe to run on several replicas at once: it claims its rows. A rejection is logged and the next run comes in time. */
  readonly work: (signal: AbortSignal) => Promise<unknown>;
  readonly log: Pick<Logger, "error">;
}

/** Work that comes back until it is stopped. */
export interface RecurringWork {
  /** Has the next run begin now, or right after the one under way. */
  wake(): void;
  /** Aborts the signal and waits for the run in flight. */
  stop(): Promise<void>;
}

/** Runs `work` now and then again, never twice at a time in this process. */
export function every(options: EveryOptions): RecurringWork {
  const { intervalMs } = options;
  if (typeof intervalMs === "number") assertInterval(options.label, intervalMs);
  const stopping = new AbortController();
  const alarm = createAlarm(stopping.signal);
  const ended = repeat(options, alarm, stopping.signal);
  return {
    wake: alarm.ring,
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}

async function repeat(options: EveryOptions, alarm: Alarm, signal: AbortSignal): Promise<void> {
  const { intervalMs } = options;
  while (!signal.aborted) {
    try {
      await options.work(signal);
    } catch (error) {
      if (!signal.aborted) options.log.error({ err: error, label: options.label }, "periodic work failed");
    }
    const pauseMs = typeof intervalMs === "number" ? intervalMs : intervalMs();
    assertInterval(options.label, pauseMs);
    const jitter = 1 + jitterShare * (2 * Math.random() - 1);
    await alarm.wait(pauseMs * jitter);
  }
}

function assertInterval(label: string, intervalMs: number): void {
  if (!(intervalMs > 0)) throw new RangeError(`${label}: the interval must be positive`);
}

interface Alarm {
  ring(): void;
  /** Resolves after the time, at a ring since the last wait, or when the signal is aborted; never rejects. */
  wait(ms: number): Promise<void>;
}

function createAlarm(signal: AbortSignal): Alarm {
  let rang = false;
  let end: (() => void) | undefined;
  return {
    ring: () => {
      rang = true;
      end?.();
    },
    wait: (ms) =>
      new Promise((resolve) => {
        const finish = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", finish);
          end = undefined;
          rang = false;
          resolve();
        };
        const timer = setTimeout(finish, ms);
        signal.addEventListener("abort", finish);
        end = finish;
        if (rang || signal.aborted) finish();
      }),
  };
}
