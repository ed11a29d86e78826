import type { Dependencies } from "../flows/dependencies.ts";
import type { SyncParts } from "../flows/run-sync.ts";
import { deleteOldEmails } from "../storage/connect-email-store.ts";
import { deleteAbsentAccounts, deleteOldTransactions } from "../storage/provider-data-store.ts";
import { deleteOldRuns, enqueueRun, findStaleConnections } from "../storage/sync-run-store.ts";
import { createSyncLanes } from "./sync-lanes.ts";

const staleAfterMs = 6 * 3_600_000;
const scheduleBatchSize = 200;
const runsKeptMs = 90 * 86_400_000;
/** Banks leave accounts out for a while, as for maintenance; one that stays away for this long is closed, or no longer shared. */
const absentAccountsKeptMs = 30 * 86_400_000;
/** A firm asks about them while their links work, a week, and for a while after. */
const emailsKeptMs = 90 * 86_400_000;
const deleteBatchSize = 1_000;
const deleteBatchesMax = 100;

/** Works off due runs until none is left or the signal aborts; safe on several replicas. Returns how many it ran. */
export async function sweepSyncs(parts: SyncParts & { holder: string }, signal: AbortSignal): Promise<number> {
  const lanes = createSyncLanes(parts);
  await lanes.fill(signal);
  await lanes.idle();
  return lanes.begun();
}

/** Queues a run for every connection with transactions whose data is older than six hours. Returns how many. */
export async function scheduleSyncs(deps: Dependencies): Promise<number> {
  const connectors = [...deps.connectors.values()]
    .filter((connector) => connector.syncTransactions !== undefined)
    .map((connector) => connector.name);
  const now = deps.clock.now();
  const before = new Date(now.getTime() - staleAfterMs);
  const stale = await findStaleConnections(deps.storage.db.query, { connectors, before, limit: scheduleBatchSize });
  for (const connection of stale) {
    const request = { connection, kind: "transactions", trigger: "schedule", requestedBy: "job:sync", now } as const;
    await enqueueRun(deps.storage.db.query, request);
  }
  return stale.length;
}

/**
 * Removes transactions past their retention, accounts long gone with theirs, and runs and e-mails of firms nobody will ask about any
 * more.
 */
export async function sweepRetention(parts: SyncParts, signal: AbortSignal): Promise<void> {
  const { deps, retentionDays } = parts;
  const now = deps.clock.now();
  const db = deps.storage.db.query;
  await deleteOldRuns(db, new Date(now.getTime() - runsKeptMs), deleteBatchSize);
  await deleteOldEmails(db, new Date(now.getTime() - emailsKeptMs), deleteBatchSize);
  const old = { now, daysDefault: retentionDays, limit: deleteBatchSize };
  const absent = { before: new Date(now.getTime() - absentAccountsKeptMs), limit: deleteBatchSize };
  for (let batch = 0; batch < deleteBatchesMax && !signal.aborted; batch += 1) {
    const removed = (await deleteOldTransactions(db, old)) + (await deleteAbsentAccounts(db, absent));
    if (removed === 0n) return;
  }
}
