import { every } from "../../platform/jobs/every.ts";
import { sweepErasures } from "../flows/erase-user.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import type { SyncParts } from "../flows/run-sync.ts";
import { forgetReplica } from "../storage/replica-store.ts";
import { signMovedHeads } from "../storage/signed-head-store.ts";
import { recordStatistics } from "./statistics-metrics.ts";
import { sweepAttempts } from "./sweep-attempts.ts";
import { sweepConsents } from "./sweep-consents.ts";
import { sweepCredentials } from "./sweep-credentials.ts";
import { sweepRefreshes } from "./sweep-refreshes.ts";
import { scheduleSyncs, sweepRetention } from "./sweep-syncs.ts";
import { sweepUnscheduled } from "./sweep-unscheduled.ts";
import { sweepWebhooks } from "./sweep-webhooks.ts";
import { createSyncLanes } from "./sync-lanes.ts";
import { countWraps, watchMasterKeys } from "./watch-master-keys.ts";

/** How long each job rests from the end of one run to the start of the next, milliseconds. */
export const jobRestsMs = Object.freeze({
  // A flight left by a dead process has to be flown again while the bank honours the old token: lease plus this is under 30 s.
  refreshes: 3_000,
  revocations: 5_000,
  attempts: 30_000,
  credentials: 60_000,
  consents: 600_000,
  // The safety net; twice as often as a connection may be left without a look.
  unscheduled: 3 * 3_600_000,
  // Somebody may be looking at the page that asked for it.
  syncs: 1_000,
  "sync schedule": 60_000,
  retention: 600_000,
  "old webhooks": 600_000,
  "master keys": 10_000,
  wraps: 300_000,
  erasures: 5_000,
  // Counting every connection takes a second at a million of them, of one replica.
  statistics: 60_000,
  // What a chain can lose at its end unseen, to someone who may write every table.
  "audit heads": 300_000,
});

/** The jobs, by the names that the log has. */
export type JobName = keyof typeof jobRestsMs;

/** What jobs work with. */
export interface JobParts extends SyncParts {
  /** Names this process among the replicas. */
  readonly holder: string;
  /** `jobRestsMs` unless told. */
  readonly restsMs?: Readonly<Record<JobName, number>>;
}

/** Starts the sweeps of one replica; every replica may. The answer stops them and waits for those under way. */
export function startJobs(parts: JobParts): () => Promise<void> {
  const { deps, holder: replica, restsMs = jobRestsMs } = parts;
  const { clock, log, storage } = deps;
  const watched = { storage, replica, log };
  const syncs = createSyncLanes(parts);
  const job = (label: JobName, work: (signal: AbortSignal) => Promise<unknown>) =>
    every({ label, intervalMs: restsMs[label], log, work });
  const sweeps = [
    job("master keys", () => watchMasterKeys(watched)),
    job("audit heads", () => signMovedHeads(storage, clock.now())),
    job("erasures", (signal) => sweepErasures(deps, signal)),
    job("statistics", () => recordStatistics(deps)),
    job("wraps", () => countWraps(watched)),
    job("refreshes", (signal) => sweepRefreshes(parts, signal)),
    job("revocations", (signal) => sweepRevocations(deps, signal)),
    job("attempts", (signal) => sweepAttempts(deps, signal)),
    job("credentials", (signal) => sweepCredentials(deps, signal)),
    job("consents", (signal) => sweepConsents(deps, signal)),
    job("unscheduled", (signal) => sweepUnscheduled(deps, signal)),
    job("syncs", (signal) => syncs.fill(signal)),
    job("sync schedule", () => scheduleSyncs(deps)),
    job("retention", (signal) => sweepRetention(parts, signal)),
    job("old webhooks", (signal) => sweepWebhooks(deps, signal)),
  ];
  return async () => {
    await Promise.all(sweeps.map((sweep) => sweep.stop()));
    await syncs.idle();
    await forgetReplica(storage.db.query, replica);
  };
}
