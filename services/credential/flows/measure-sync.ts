import { durationBuckets, histogram } from "../../platform/telemetry/metrics.ts";

/** How an attempt at a run ended: `postponed` is tried again later, `left` was taken over by another process or given back to all. */
export type SyncOutcome = "succeeded" | "failed" | "postponed" | "left";

// A first run reads years of transactions, page by page.
const buckets = [...durationBuckets, 60, 300, 900];
const durations = histogram("sync_duration", "From the begin of an attempt at a sync run until its end", buckets);

/** Measures an attempt at a run that has ended here. */
export function measureSync(connector: string, outcome: SyncOutcome, tookMs: number): void {
  if (outcome !== "left") durations.record(tookMs / 1000, { connector, outcome });
}
