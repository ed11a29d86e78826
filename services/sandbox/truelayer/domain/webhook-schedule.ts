/** Attempts end three days after the first. */
export const webhookLifetimeMs = 72 * 60 * 60 * 1000;

const pauseMaxMs = 15 * 60 * 1000;
const jitterShare = 0.2;

/**
 * The pause before the next attempt: twice as long each time up to fifteen minutes, a fifth more or less by `random`
 * (0 up to 1). `attempts` counts those made, from 1.
 */
export function pauseAfter(attempts: number, firstPauseMs: number, random: number): number {
  const doubled = firstPauseMs * 2 ** Math.min(attempts - 1, 30);
  return Math.round(Math.min(doubled, pauseMaxMs) * (1 + jitterShare * (2 * random - 1)));
}
