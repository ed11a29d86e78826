import type { Dependencies } from "../flows/dependencies.ts";
import { deleteOldWebhooks, destroyOldPayloads } from "../storage/forget-webhooks.ts";
import { deleteOldRejections } from "../storage/webhook-statistics.ts";

const dayMs = 86_400_000;
/** What a body said is in the event; the body itself is kept this long, for questions to the provider. */
export const payloadKeptMs = 7 * dayMs;
/** Longer than any provider sends an event again. */
export const eventKeptMs = 30 * dayMs;
const rejectionsKeptMs = 90 * dayMs;
const batchSize = 1_000;

/** Destroys bodies after a week and forgets events, dead letters included, a month after they ended. Returns how many it forgot. */
export async function sweepWebhooks(deps: Dependencies, signal: AbortSignal): Promise<number> {
  const { storage } = deps;
  const now = deps.clock.now();
  const before = (keptMs: number) => ({ endedBefore: new Date(now.getTime() - keptMs), limit: batchSize, now });
  let forgotten = 0;
  for (let count = batchSize; count === batchSize && !signal.aborted; ) {
    count = await deleteOldWebhooks(storage, before(eventKeptMs));
    forgotten += count;
  }
  for (let count = batchSize; count === batchSize && !signal.aborted; ) {
    count = await destroyOldPayloads(storage, before(payloadKeptMs));
  }
  await deleteOldRejections(storage.db.query, new Date(now.getTime() - rejectionsKeptMs));
  return forgotten;
}
