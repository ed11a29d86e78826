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

// A flight left by a dead process has to be flown again while the bank honours the old token: lease plus this is under 30 s.
const refreshesMs = 3_000;
const revocationsMs = 5_000;
const attemptsMs = 30_000;
const credentialsMs = 60_000;
const consentsMs = 600_000;
// The safety net; twice as often as a connection may be left without a look.
const unscheduledMs = 3 * 3_600_000;
// Somebody may be looking at the page that asked for it.
const syncsMs = 1_000;
const scheduleMs = 60_000;
const retentionMs = 600_000;
const masterKeysMs = 10_000;
const wrapsMs = 300_000;
const erasuresMs = 5_000;
// Counting every connection takes a second at a million of them, of one replica.
const statisticsMs = 60_000;
// What a chain can lose at its end unseen, to someone who may write every table.
const auditHeadsMs = 300_000;

/** Starts the sweeps of one replica; every replica may. The answer stops them and waits for those under way. */
export function startJobs(parts: SyncParts & { holder: string }): () => Promise<void> {
  const { deps, holder: replica } = parts;
  const { clock, log, storage } = deps;
  const watched = { storage, replica, log };
  const syncs = createSyncLanes(parts);
  const sweeps = [
    every({ label: "master keys", intervalMs: masterKeysMs, log, work: () => watchMasterKeys(watched) }),
    every({ label: "audit heads", intervalMs: auditHeadsMs, log, work: () => signMovedHeads(storage, clock.now()) }),
    every({ label: "erasures", intervalMs: erasuresMs, log, work: (signal) => sweepErasures(deps, signal) }),
    every({ label: "statistics", intervalMs: statisticsMs, log, work: () => recordStatistics(deps) }),
    every({ label: "wraps", intervalMs: wrapsMs, log, work: () => countWraps(watched) }),
    every({ label: "refreshes", intervalMs: refreshesMs, log, work: (signal) => sweepRefreshes(parts, signal) }),
    every({ label: "revocations", intervalMs: revocationsMs, log, work: (signal) => sweepRevocations(deps, signal) }),
    every({ label: "attempts", intervalMs: attemptsMs, log, work: (signal) => sweepAttempts(deps, signal) }),
    every({ label: "credentials", intervalMs: credentialsMs, log, work: (signal) => sweepCredentials(deps, signal) }),
    every({ label: "consents", intervalMs: consentsMs, log, work: (signal) => sweepConsents(deps, signal) }),
    every({ label: "unscheduled", intervalMs: unscheduledMs, log, work: (signal) => sweepUnscheduled(deps, signal) }),
    every({ label: "syncs", intervalMs: syncsMs, log, work: (signal) => syncs.fill(signal) }),
    every({ label: "sync schedule", intervalMs: scheduleMs, log, work: () => scheduleSyncs(deps) }),
    every({ label: "retention", intervalMs: retentionMs, log, work: (signal) => sweepRetention(parts, signal) }),
    every({ label: "old webhooks", intervalMs: retentionMs, log, work: (signal) => sweepWebhooks(deps, signal) }),
  ];
  return async () => {
    await Promise.all(sweeps.map((sweep) => sweep.stop()));
    await syncs.idle();
    await forgetReplica(storage.db.query, replica);
  };
}
