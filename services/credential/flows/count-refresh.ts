import { counter } from "../../platform/telemetry/metrics.ts";
import type { FlightOutcome } from "../storage/refresh-store.ts";

const refreshes = counter("refreshes", "Refreshes of connections by provider and how they ended");

/** Counts a refresh that has ended; one that was overtaken has not. */
export function countRefresh(connector: string, outcome: FlightOutcome | "overtaken"): void {
  if (outcome !== "overtaken") refreshes.add(1, { connector, outcome });
}
