import { inTransaction } from "../../platform/db/transaction.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { type OpenedSecret, openSecret, type SecretPurpose } from "../storage/secret-store.ts";
import type { Storage, Tx } from "../storage/storage.ts";
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
    const subject = { owner: connection.owner, actor, now: deps.clock.now() };
    const alert = alertOf(connection, purpose, error);
    await inTransaction(storage.db, (tx) => appendAudit(storage, tx, subject, [alert]));
    throw error;
  }
}

/** A secret before its end, and what the audit has to be told of it. */
export interface EndingSecret {
  readonly plaintext: string | undefined;
  readonly alerts: readonly AuditAct[];
}

/**
 * Opens a secret that is about to be replaced or destroyed, in that transaction. One that does not open counts as none, with an
 * alert: it must not keep its user from consenting anew or from leaving.
 */
export async function openForEnding(
  storage: Storage,
  tx: Tx,
  connection: Connection,
  purpose: SecretPurpose,
): Promise<EndingSecret> {
  try {
    return { plaintext: (await openSecret(storage, tx, connection, purpose))?.plaintext, alerts: [] };
  } catch (error) {
    if (!(error instanceof SealedRecordError)) throw error;
    return { plaintext: undefined, alerts: [alertOf(connection, purpose, error)] };
  }
}

function alertOf(connection: Connection, purpose: SecretPurpose, error: SealedRecordError): AuditAct {
  const { connectionId, institutionId } = connection;
  const details = { purpose, failure: error.failure };
  return { action: "security_alert", outcome: "secret_rejected", connectionId, institutionId, durationMs: 0, details };
}
