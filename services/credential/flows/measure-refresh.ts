import { counter, histogram } from "../../platform/telemetry/metrics.ts";
import type { FlightOutcome } from "../storage/refresh-store.ts";

const refreshes = counter("refreshes", "Refreshes of connections by provider and how they ended");
const durations = histogram(
  "refresh_duration",
  "From the begin of a refresh until its answer was stored, or its failure",
);

/** Measures a refresh that has ended; one that was overtaken has not. */
export function measureRefresh(connector: string, outcome: FlightOutcome | "overtaken", tookMs: number): void {
  if (outcome === "overtaken") return;
  const labels = { connector, outcome };
  refreshes.add(1, labels);
  durations.record(tookMs / 1000, labels);
}
