import { inTransaction } from "../../platform/db/transaction.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { type OpenedSecret, openSecret, type SecretPurpose } from "../storage/secret-store.ts";
import type { Dependencies } from "./dependencies.ts";

/**
 * Opens a secret to use it at the bank; undefined when there is none. One that does not open has been tampered with: that leaves a
 * security alert in the audit, and the `SealedRecordError` is passed on, so that the caller is told nothing of it.
 */
export async function openForUse(
  deps: Pick<Dependencies, "storage" | "clock">,
  connection: Connection,
  purpose: SecretPurpose,
  actor: Actor,
): Promise<OpenedSecret | undefined> {
  const { storage } = deps;
  try {
    return await openSecret(storage, storage.db.query, connection, purpose);
  } catch (error) {
    if (!(error instanceof SealedRecordError)) throw error;
    const { owner, connectionId, institutionId } = connection;
    const details = { purpose, failure: error.failure };
    await inTransaction(storage.db, (tx) =>
      appendAudit(storage, tx, { owner, actor, now: deps.clock.now() }, [
        { action: "security_alert", outcome: "secret_rejected", connectionId, institutionId, durationMs: 0, details },
      ]),
    );
    throw error;
  }
}
