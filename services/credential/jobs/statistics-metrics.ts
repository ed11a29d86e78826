import type { Attributes } from "@opentelemetry/api";
import { type Gauge, gauge } from "../../platform/telemetry/metrics.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { readCounts } from "../storage/statistics-store.ts";

const connections = gauge("connections", "Connections by provider and state");
const expiring = gauge("connections_expiring", "Access tokens and consents that end within 24 hours");
const refreshes = gauge("connection_refreshes", "Connections by how their last refresh ended");
const oldestDue = gauge("oldest_due_seconds", "How long the oldest refresh or sync has been due");
const syncRuns = gauge("sync_runs_day", "Sync runs of the last 24 hours by state");
const webhooks = gauge("webhooks_day", "Webhooks of the last 24 hours by provider and fate");

/** A value that is set by its labels, and zero once nothing has them any more: a gauge keeps what it was told last. */
function series(target: Gauge): (values: readonly (readonly [value: number, labels: Attributes])[]) => void {
  let told = new Map<string, Attributes>();
  return (values) => {
    const now = new Map(values.map(([, labels]) => [JSON.stringify(labels), labels]));
    for (const [name, labels] of told) if (!now.has(name)) target.record(0, labels);
    for (const [value, labels] of values) target.record(value, labels);
    told = now;
  };
}

const set = {
  connections: series(connections),
  expiring: series(expiring),
  refreshes: series(refreshes),
  oldestDue: series(oldestDue),
  syncRuns: series(syncRuns),
  webhooks: series(webhooks),
};

// Replicas look about once a minute, each at its own moment; whoever finds the numbers this old counts them for all.
const maxAgeMs = 50_000;

/**
 * Shows the numbers of the statistics as metrics. One replica counts, and every replica shows the same: take the maximum over them, never
 * the sum.
 */
export async function recordStatistics(deps: Pick<Dependencies, "storage" | "clock">): Promise<void> {
  const query = { now: deps.clock.now(), maxAgeMs };
  const { numbers: read } = await readCounts(deps.storage.db.query, query);
  set.connections(read.connections.map(({ connector, state, count }) => [count, { connector, state }]));
  set.expiring([
    [read.accessTokensExpiring, { what: "access_token" }],
    [read.consentsExpiring, { what: "consent" }],
  ]);
  set.refreshes(read.refreshes.map(({ outcome, count }) => [count, { outcome }]));
  set.oldestDue([
    [read.oldestDueRefreshSeconds, { what: "refresh" }],
    [read.oldestDueSyncSeconds, { what: "sync" }],
  ]);
  set.syncRuns(read.syncRuns.map(({ outcome, count }) => [count, { state: outcome }]));
  set.webhooks(
    read.webhooks.flatMap(({ connector, accepted, repeated, rejected, queued, dead }) =>
      Object.entries({ accepted, repeated, rejected, queued, dead }).map(
        ([fate, count]) => [count, { connector, fate }] as const,
      ),
    ),
  );
}
