import { jobActor } from "../../../services/credential/domain/audit.ts";
import { appendAudit } from "../../../services/credential/storage/audit-store.ts";
import { inTransaction } from "../../../services/platform/db/transaction.ts";
import { runCalls } from "../call-load.ts";
import { type Measurement, measure } from "../measure.ts";
import { startBenchDatabase } from "./bench-database.ts";
import { benchConnector, benchInstitution } from "./bench-names.ts";

const concurrencies = [1, 16, 64];
/** Spread over all chains of a tenant. */
const owners = 1_000;
const of = { connector: benchConnector, institutionId: benchInstitution };
const act = { action: "sync", outcome: "ok", ...of, durationMs: 1 } as const;

/**
 * Measures appending one act to the audit by itself, in a transaction of its own, durable: two statements with the begin and the commit
 * around them. What is appended together with other work, or in batches, costs less an act.
 */
export async function benchAudit(
  durationMs: number,
  report: (measurement: Measurement) => void,
): Promise<Measurement[]> {
  const database = await startBenchDatabase();
  const pids = { postgres: database.pid, credential: process.pid };
  const measurements: Measurement[] = [];
  try {
    await database.withStorage(Math.max(...concurrencies) + 4, async (storage) => {
      let appended = 0;
      const call = async (): Promise<undefined> => {
        appended += 1;
        const owner = { tenant: "wallet", userId: `user-${appended % owners}` };
        const subject = { owner, actor: jobActor("bench"), now: new Date() };
        await inTransaction(storage.db, (tx) => appendAudit(storage, tx, subject, [act]));
      };
      for (const concurrency of concurrencies) {
        await runCalls({ concurrency, durationMs: durationMs / 4, call });
        const label = `append to the audit, ${concurrency} at once`;
        const measurement = await measure(label, pids, () => runCalls({ concurrency, durationMs, call }));
        report(measurement);
        measurements.push(measurement);
      }
    });
  } finally {
    await database.stop();
  }
  return measurements;
}
