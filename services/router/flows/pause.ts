import { setTimeout as sleep } from "node:timers/promises";

/** Waits `ms`, or not at all when that would pass the deadline (epoch milliseconds): then false. */
export async function pauseUntil(ms: number, deadlineAtMs: number): Promise<boolean> {
  if (Date.now() + ms > deadlineAtMs) return false;
  await sleep(ms);
  return true;
}
