import { randomUUID } from "node:crypto";
import type { AuditAct } from "../domain/audit.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import { nextStanding } from "../domain/connection-state.ts";
import { endConnection } from "../storage/consent-store.ts";
import { insertRevocationOf } from "../storage/queue-revocation.ts";
import { deleteSecrets } from "../storage/secret-store.ts";
import type { Tx } from "../storage/storage.ts";
import type { Dependencies } from "./dependencies.ts";
import { revocationTimes } from "./revoke-secrets.ts";

/** How a connection ends. */
export interface Ending {
  /** Locked, and not over. */
  readonly connection: Connection;
  /** In whose name its secrets are kept until the provider has confirmed, when not its owner's. */
  readonly keptFor?: Owner | undefined;
  /** For the audit. */
  readonly outcome: string;
  readonly now: Date;
}

/**
 * Ends a connection as its owner wants it: nothing is read, refreshed or fetched through it any more, and all that opens it at the
 * provider, an answer in the journal too, moves into a revocation. Resolves to its id, and the acts the audit has to be told.
 */
export async function endAndQueue(
  deps: Pick<Dependencies, "storage">,
  tx: Tx,
  { connection, keptFor, outcome, now }: Ending,
): Promise<{ revocationId: string; acts: AuditAct[] }> {
  const revocationId = randomUUID();
  const alerts = await insertRevocationOf(deps.storage, tx, connection, {
    ...revocationTimes(now),
    revocationId,
    keptFor,
    cause: "disconnect",
    purposes: ["wallet_credential", "refresh_token", "access_token"],
    facts: { providerReference: connection.providerReference },
  });
  const before = { state: connection.state, reason: connection.stateReason };
  await endConnection(tx, connection, nextStanding(before, { kind: "disconnected" }), now);
  const { connectionId, connector, institutionId } = connection;
  const ended: AuditAct = { action: "disconnect", outcome, connectionId, connector, institutionId, durationMs: 0 };
  return { revocationId, acts: [ended, ...alerts, await deleteSecrets(tx, connection)] };
}
