/** Pauses that grow, until a webhook is too old to be sent again. */
export interface GrowingSchedule {
  /** Each pause is so many times the one before. */
  readonly factor: number;
  readonly pauseMaxMs: number;
  /** The share by which a pause may be longer or shorter: 0.2 is a fifth. */
  readonly jitterShare: number;
  /** From its making to its last attempt. */
  readonly lifetimeMs: number;
}

/** Pauses one by one; after the last of them a webhook is given up. */
export interface ListedSchedule {
  readonly pausesMs: readonly number[];
}

/** When a webhook is sent again. */
export type WebhookSchedule = GrowingSchedule | ListedSchedule;

/** An attempt that failed. */
export interface FailedAttempt {
  /** Those made, from 1. */
  readonly attempts: number;
  /** The first pause, by which all pauses are scaled. */
  readonly firstPauseMs: number;
  readonly createdAt: Date;
  readonly now: Date;
  /** 0 up to 1. */
  readonly random: number;
}

/** When the next attempt is due; undefined when there is none. */
export function nextAttempt(schedule: WebhookSchedule, failed: FailedAttempt): Date | undefined {
  const { attempts, firstPauseMs, createdAt, now, random } = failed;
  if ("pausesMs" in schedule) {
    const [first = 1] = schedule.pausesMs;
    const pauseMs = schedule.pausesMs[attempts - 1];
    return pauseMs === undefined ? undefined : new Date(now.getTime() + Math.round((pauseMs / first) * firstPauseMs));
  }
  const next = new Date(now.getTime() + pauseAfter(schedule, attempts, firstPauseMs, random));
  return next.getTime() - createdAt.getTime() > schedule.lifetimeMs ? undefined : next;
}

/** The pause before the next attempt. `attempts` counts those made, from 1; `random` is 0 up to 1. */
export function pauseAfter(schedule: GrowingSchedule, attempts: number, firstPauseMs: number, random: number): number {
  const { factor, pauseMaxMs, jitterShare } = schedule;
  const grown = firstPauseMs * factor ** Math.min(attempts - 1, 30);
  return Math.round(Math.min(grown, pauseMaxMs) * (1 + jitterShare * (2 * random - 1)));
}
