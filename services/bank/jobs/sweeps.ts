import type { Logger } from "pino";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { every } from "../../platform/jobs/every.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { expireDue, expiryBatchMax } from "../storage/expiry.ts";
import { forgetAnswers } from "../storage/payment-operations.ts";
import type { MoneyTables } from "../storage/tables.ts";

const expiryIntervalMs = 60_000;
const forgetIntervalMs = 3_600_000;
const forgetBatchMax = 1_000;
/** How long the answer of a capture, void or refund can be had again: well past the life of a hold. */
const answersKeptMs = 90 * 24 * 3_600_000;

/** Starts the bank's periodic work: booking holds that ended, forgetting old answers. Safe on several replicas. */
export function startSweeps<T extends MoneyTables>(deps: {
  readonly db: Pick<Database<T>, "query">;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "error">;
}): { stop(): Promise<void> } {
  const { db, clock, log } = deps;
  const sweeps = [
    every({
      label: "authorization expiry",
      intervalMs: expiryIntervalMs,
      log,
      work: (signal) =>
        inBatches(signal, expiryBatchMax, async () => {
          const count = await expireDue(db, clock.now());
          if (count > 0) log.info({ count }, "authorizations expired");
          return count;
        }),
    }),
    every({
      label: "old answers",
      intervalMs: forgetIntervalMs,
      log,
      work: (signal) =>
        inBatches(signal, forgetBatchMax, () => {
          const before = new Date(clock.now().getTime() - answersKeptMs);
          return inTransaction(db, (tx) => forgetAnswers(tx, before, forgetBatchMax));
        }),
    }),
  ];
  return {
    async stop() {
      for (const sweep of sweeps) await sweep.stop();
    },
  };
}

async function inBatches(signal: AbortSignal, batchMax: number, sweep: () => Promise<number>): Promise<void> {
  while (!signal.aborted && (await sweep()) === batchMax);
}
