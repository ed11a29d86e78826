import type { Dependencies } from "../flows/dependencies.ts";
import { deleteOldWebhooks, destroyOldPayloads } from "../storage/webhook-admin-store.ts";
import { deleteOldRejections } from "../storage/webhook-statistics.ts";

const dayMs = 86_400_000;
/** What a body said is in the event; the body itself is kept this long, for questions to the provider. */
export const payloadKeptMs = 7 * dayMs;
/** Longer than any provider sends an event again. */
export const eventKeptMs = 30 * dayMs;
const rejectionsKeptMs = 90 * dayMs;
const batchSize = 1_000;

/** Destroys bodies after a week and forgets events, dead letters included, a month after they ended. Returns how many it forgot. */
export async function sweepWebhooks(deps: Dependencies, signal: AbortSignal): Promise<bigint> {
  const db = deps.storage.db.query;
  const nowMs = deps.clock.now().getTime();
  let forgotten = 0n;
  for (let count = BigInt(batchSize); count === BigInt(batchSize) && !signal.aborted; ) {
    count = await deleteOldWebhooks(db, new Date(nowMs - eventKeptMs), batchSize);
    forgotten += count;
  }
  for (let count = BigInt(batchSize); count === BigInt(batchSize) && !signal.aborted; ) {
    count = await destroyOldPayloads(db, new Date(nowMs - payloadKeptMs), batchSize);
  }
  await deleteOldRejections(db, new Date(nowMs - rejectionsKeptMs));
  return forgotten;
}
