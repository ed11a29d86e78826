import { durationBuckets, histogram } from "../../platform/telemetry/metrics.ts";
import type { Connection } from "../domain/connection.ts";

const lagBuckets = [...durationBuckets, 60, 300, 3_600, 21_600];
const lag = histogram("refresh_lag", "How long a connection was due before its refresh began", lagBuckets);

/** Records how long a connection has waited for its refresh. */
export function recordLag(flight: Connection, lagMs: number): void {
  lag.record(Math.max(0, lagMs) / 1000, { connector: flight.connector });
}
