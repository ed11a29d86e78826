import { inTransaction } from "../../platform/db/transaction.ts";
import type { Connector } from "../connectors/connector.ts";
import type { ProviderError, ProviderFailure } from "../connectors/provider-error.ts";
import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { nextStanding } from "../domain/connection-state.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { lockConnection, setStanding } from "../storage/connection-store.ts";
import { addNotices, noticesOfChange } from "../storage/notice-store.ts";
import { compareSecret } from "../storage/secret-store.ts";
import type { Dependencies } from "./dependencies.ts";

/** A refusal met while a token was used. */
export interface RefusedUse {
  readonly connection: Connection;
  readonly connector: Connector;
  /** The token the provider refused. */
  readonly token: string;
  readonly error: ProviderError;
  readonly actor: Actor;
}

/**
 * Makes a connection wait for its user when the provider's refusal says so. A token that can be refreshed is not believed dead here:
 * its refresh finds out. Nothing happens when the connection holds another token by now, since that one was not refused.
 */
export async function endConsentIfRefused(deps: Dependencies, refused: RefusedUse): Promise<void> {
  const { connection, actor } = refused;
  if (!needsUser(refused.error.failure, refused.connector.refresh !== undefined)) return;
  const now = deps.clock.now();
  await inTransaction(deps.storage.db, async (tx) => {
    const current = await lockConnection(tx, connection);
    if (current === undefined || current.generation !== connection.generation) return;
    // The token is being replaced: its flight finds out what is good, and says so.
    if (current.refreshHolder !== undefined && refused.connector.rotateAccess !== undefined) return;
    const stored = { connection: current, purpose: "access_token" } as const;
    const { outcome } = await compareSecret(deps.storage, tx, stored, refused.token);
    if (outcome !== "same") return;
    const standing = nextStanding({ state: current.state, reason: current.stateReason }, { kind: "reauthorize" });
    if (!(await setStanding(tx, current, standing, now))) return;
    await addNotices(tx, noticesOfChange(current, standing, now));
    const { connectionId, connector, institutionId } = current;
    const details = { state: standing.state, failure: refused.error.failure };
    await appendAudit(deps.storage, tx, { owner: current.owner, actor, now }, [
      { action: "sync", outcome: standing.reason, connectionId, connector, institutionId, durationMs: 0, details },
    ]);
  });
}

function needsUser(failure: ProviderFailure, isRefreshed: boolean): boolean {
  if (failure === "reauthorize") return true;
  return !isRefreshed && (failure === "grant_refused" || failure === "unauthorized");
}
