import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { type ConnectionForAccess, openAccess } from "../storage/access-reads.ts";
import { type OpenedSecret, openSecret, type SecretPurpose } from "../storage/secret-store.ts";
import type { Dependencies } from "./dependencies.ts";

/**
 * Opens a secret to use it at the bank; undefined when there is none. Its audit row is committed before it is opened. One that does
 * not open has been tampered with: that leaves a security alert, and the `SealedRecordError` is passed on, so that the caller is
 * told nothing of it.
 */
export async function openForUse(
  deps: Pick<Dependencies, "storage" | "clock">,
  connection: Connection,
  purpose: SecretPurpose,
  actor: Actor,
): Promise<OpenedSecret | undefined> {
  return await openSecret(deps.storage, connection, purpose, { actor, now: deps.clock.now(), operation: "use" });
}

/** As `openForUse`, of an access token that was read together with its connection. */
export async function openReadAccess(
  deps: Pick<Dependencies, "storage" | "clock">,
  read: ConnectionForAccess,
  actor: Actor,
): Promise<OpenedSecret | undefined> {
  return await openAccess(deps.storage, read, { actor, now: deps.clock.now(), operation: "use" });
}
