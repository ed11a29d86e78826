import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ConnectionKey } from "../domain/connection.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { lockConnection } from "../storage/connection-store.ts";
import { dropNotices } from "../storage/notice-store.ts";
import { deleteProviderData } from "../storage/provider-data-store.ts";
import { hasPendingRevocation } from "../storage/revocation-store.ts";
import { callerGone } from "./caller-gone.ts";
import type { Caller, Dependencies } from "./dependencies.ts";
import { endAndQueue } from "./end-connection.ts";
import { revokeNow } from "./revoke-secrets.ts";

/**
 * Ends a connection. First, in one transaction, its state, so that nothing is read through it any more, and its secrets move into a
 * revocation; then the bank is asked, and asked again by a job until it confirms. A repeat succeeds. Resolves to whether the bank
 * has confirmed. Throws `CONNECTION_NOT_FOUND`.
 */
export async function disconnect(deps: Dependencies, key: ConnectionKey, caller: Caller): Promise<boolean> {
  const revocationId = await end(deps, key, caller);
  if (revocationId === undefined) return !(await hasPendingRevocation(deps.storage.db.query, key));
  const answered = revokeNow(deps, revocationId, caller.actor).catch((err: unknown) => {
    deps.log.error({ err, connectionId: key.connectionId }, "revocation failed");
    return false;
  });
  // A slow bank keeps its job, not the caller: the revocation runs on after his deadline.
  return await Promise.race([answered, callerGone(caller).then(() => false)]);
}

async function end(deps: Dependencies, key: ConnectionKey, caller: Caller): Promise<string | undefined> {
  const { storage } = deps;
  const now = deps.clock.now();
  return await inTransaction(storage.db, async (tx) => {
    const connection = await lockConnection(tx, key);
    if (connection === undefined) throw new DomainError("CONNECTION_NOT_FOUND");
    if (connection.state === "REVOKED") return undefined;
    const { revocationId, acts } = await endAndQueue(deps, tx, { connection, outcome: "ok", now });
    await dropNotices(tx, connection);
    await deleteProviderData(tx, connection);
    await appendAudit(storage, tx, { owner: key.owner, actor: caller.actor, now }, acts);
    return revocationId;
  });
}
