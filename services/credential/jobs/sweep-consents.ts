import { inTransaction } from "../../platform/db/transaction.ts";
import { jobActor } from "../domain/audit.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { lockConnection } from "../storage/connection-store.ts";
import { findEndingConsents, noteReminder } from "../storage/consent-reminder-store.ts";
import { addNotices } from "../storage/notice-store.ts";

const batchSize = 100;
const dayMs = 86_400_000;
/** A week leaves time to act, and the last day is the last chance to do it without a gap. */
const times = Object.freeze({ firstMs: 7 * dayMs, lastMs: dayMs });

/** Tells owners that a consent ends soon, so that they renew it before anything stops. Returns how many were told. */
export async function sweepConsents(deps: Dependencies, signal: AbortSignal): Promise<number> {
  const { storage, clock } = deps;
  const keys = await findEndingConsents(storage.db.query, times, clock.now(), batchSize);
  let told = 0;
  for (const key of keys) {
    if (signal.aborted) break;
    const now = clock.now();
    const done = await inTransaction(storage.db, async (tx) => {
      const connection = await lockConnection(tx, key);
      if (connection === undefined || !(await noteReminder(tx, connection, times, now))) return false;
      await addNotices(tx, [{ connection, kind: "consent_expiring", reason: "consent_expiring", now }]);
      const { owner, connectionId, connector, institutionId, consentExpiresAt } = connection;
      const details = { at: consentExpiresAt?.toISOString() ?? "" };
      await appendAudit(storage, tx, { owner, actor: jobActor("consents"), now }, [
        { action: "sync", outcome: "consent_expiring", connectionId, connector, institutionId, durationMs: 0, details },
      ]);
      return true;
    });
    if (done) told += 1;
  }
  return told;
}
