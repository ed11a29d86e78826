/** Pauses that grow, until a webhook is too old to be sent again. */
export interface WebhookSchedule {
  /** Each pause is so many times the one before. */
  readonly factor: number;
  readonly pauseMaxMs: number;
  /** The share by which a pause may be longer or shorter: 0.2 is a fifth. */
  readonly jitterShare: number;
  /** From its making to its last attempt. */
  readonly lifetimeMs: number;
}

/** The pause before the next attempt. `attempts` counts those made, from 1; `random` is 0 up to 1. */
export function pauseAfter(schedule: WebhookSchedule, attempts: number, firstPauseMs: number, random: number): number {
  const { factor, pauseMaxMs, jitterShare } = schedule;
  const grown = firstPauseMs * factor ** Math.min(attempts - 1, 30);
  return Math.round(Math.min(grown, pauseMaxMs) * (1 + jitterShare * (2 * random - 1)));
}
