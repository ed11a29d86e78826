import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CardAccess, CardConnector } from "../connectors/card-connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import { assertCardsUsable, type Connection, isCredentialExpired } from "../domain/connection.ts";
import { type ConnectionEvent, nextStanding } from "../domain/connection-state.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { lockConnection, setStanding } from "../storage/connection-store.ts";
import { addNotices, noticesOfChange } from "../storage/notice-store.ts";
import { compareSecret, type OpenedSecret } from "../storage/secret-store.ts";
import { type Caller, connectorOf, type Dependencies } from "./dependencies.ts";
import { openForUse } from "./open-for-use.ts";
import { logProviderFailure } from "./provider-failure.ts";

/** One use of the wallet credential. */
export interface CredentialUse<T> {
  /** Names the use in the audit, such as `list_cards`. */
  readonly operation: string;
  readonly connection: Connection;
  readonly caller: Caller;
  run(cards: CardConnector, access: CardAccess): Promise<T>;
}

// One more try, when the credential was renewed between our reading it and the bank's refusal.
const triesMax = 2;

/**
 * Uses the wallet credential of a connection at its bank. A bank that refuses it moves the connection to EXPIRED within this very
 * call. Each use leaves an audit row. Throws `REAUTHORIZATION_REQUIRED`, `PROVIDER_UNAVAILABLE`, `PROVIDER_NOT_CONFIGURED`;
 * `CARD_NOT_AUTHORIZED` when the bank knows us and forbids this.
 */
export async function useCredential<T>(deps: Dependencies, use: CredentialUse<T>): Promise<T> {
  const { connection, operation } = use;
  await assertUsable(deps, use);
  const connector = connectorOf(deps, connection);
  const { cards } = connector;
  if (cards === undefined) throw new DomainError("INVALID_ARGUMENT", { why: "This connection has no cards" });
  await connector.check(connection.institutionId, "use");
  for (let tries = 1; ; tries += 1) {
    const secret = await openForUse(deps, connection, "wallet_credential", use.caller.actor);
    if (secret === undefined) throw new DomainError("REAUTHORIZATION_REQUIRED");
    const startedMs = performance.now();
    try {
      const access = { institutionId: connection.institutionId, credential: secret.plaintext };
      const result = await use.run(cards, access);
      await audit(deps, use, "ok", performance.now() - startedMs);
      return result;
    } catch (cause) {
      if (!(cause instanceof ProviderError)) throw cause;
      const { connector: name, connectionId, institutionId } = connection;
      logProviderFailure(deps, { connector: name, operation, connectionId, institutionId }, cause);
      await audit(deps, use, cause.failure, performance.now() - startedMs);
      if (cause.failure !== "unauthorized") throw useError(cause);
      const ended = await endCredential(deps, use, { kind: "credential_refused" }, secret);
      if (ended || tries === triesMax) throw new DomainError("REAUTHORIZATION_REQUIRED", {}, { cause });
    }
  }
}

async function assertUsable(deps: Dependencies, use: CredentialUse<unknown>): Promise<void> {
  const now = deps.clock.now();
  if (use.connection.hasCredential && isCredentialExpired(use.connection, now)) {
    await endCredential(deps, use, { kind: "credential_ended" });
  }
  assertCardsUsable(use.connection, now);
}

function useError(cause: ProviderError): DomainError {
  const isRefusal = cause.failure === "forbidden" || cause.failure === "not_found";
  return new DomainError(isRefusal ? "CARD_NOT_AUTHORIZED" : "PROVIDER_UNAVAILABLE", {}, { cause });
}

/** Moves the connection to EXPIRED, unless its credential is another one by now; false then. */
async function endCredential(
  deps: Dependencies,
  use: CredentialUse<unknown>,
  event: ConnectionEvent,
  refused?: OpenedSecret,
): Promise<boolean> {
  const now = deps.clock.now();
  return await inTransaction(deps.storage.db, async (tx) => {
    const current = await lockConnection(tx, use.connection);
    if (current === undefined || current.state === "REVOKED") return true;
    if (refused !== undefined) {
      const credential = { connection: current, purpose: "wallet_credential" } as const;
      const { outcome } = await compareSecret(deps.storage, tx, credential, refused.plaintext);
      if (outcome === "other") return false;
    } else if (!isCredentialExpired(current, now)) {
      return false;
    }
    const standing = nextStanding({ state: current.state, reason: current.stateReason }, event);
    if (await setStanding(tx, current, standing, now)) {
      await addNotices(tx, noticesOfChange(current, standing, now));
      await appendAudit(deps.storage, tx, { owner: current.owner, actor: use.caller.actor, now }, [
        {
          action: "sync",
          outcome: standing.reason,
          connectionId: current.connectionId,
          connector: current.connector,
          institutionId: current.institutionId,
          durationMs: 0,
          details: { state: standing.state },
        },
      ]);
    }
    return true;
  });
}

async function audit(
  deps: Dependencies,
  use: CredentialUse<unknown>,
  outcome: string,
  durationMs: number,
): Promise<void> {
  const { owner, connectionId, connector, institutionId } = use.connection;
  const subject = { owner, actor: use.caller.actor, now: deps.clock.now() };
  const details = { operation: use.operation };
  const act = { action: "credential_access", outcome, connectionId, connector, institutionId, durationMs } as const;
  await deps.storage.auditLog.append({ subject, acts: [{ ...act, details }] });
}
