import { counter, histogram } from "../../platform/telemetry/metrics.ts";

/** What came of a webhook at its arrival. */
export type Arrival = "accepted" | "repeated" | "refused" | "unavailable" | "limited";

const arrivals = counter("webhooks_received", "Webhooks of providers by what came of them at their arrival");
const ends = counter("webhook_events_processed", "Events of webhooks by how an attempt to work them off ended");
const waits = histogram("webhook_event_wait", "From the arrival of an event until it was worked off");

/** Counts arrivals. The connector is one that is set up, never what a sender wrote. */
export function countArrival(connector: string, outcome: Arrival, count = 1): void {
  if (count > 0) arrivals.add(count, { connector, outcome });
}

/** Counts an attempt at an event; `waitedMs` for one that ended well. */
export function countEnd(connector: string, outcome: string, waitedMs?: number): void {
  ends.add(1, { connector, outcome });
  if (waitedMs !== undefined) waits.record(Math.max(0, waitedMs) / 1000, { connector });
}
