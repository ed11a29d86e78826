import type { Logger } from "pino";
import type { Database } from "../db/open-database.ts";
import { every } from "../jobs/every.ts";
import type { Clock } from "../time/clock.ts";
import { createOidcRecordStore, type OidcTables } from "./storage/oidc-record-store.ts";

const intervalMs = 60_000;
const batchRows = 500;
const batchesMax = 20;

/** Removes what has expired, 500 rows a statement and at most 10,000 a minute. Stop it before closing the database. */
export function startOidcExpirySweep(options: {
  readonly db: Pick<Database<OidcTables>, "query" | "hot">;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
}): { stop(): Promise<void> } {
  const store = createOidcRecordStore(options.db);
  return every({
    label: "oidc expiry sweep",
    intervalMs,
    log: options.log,
    async work(signal) {
      for (let batch = 0; batch < batchesMax && !signal.aborted; batch += 1) {
        if ((await store.sweepExpired(options.clock.now(), batchRows)) < batchRows) return;
      }
    },
  });
}
