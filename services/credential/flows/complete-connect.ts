import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ProviderCard } from "../connectors/card-connector.ts";
import type { Grant } from "../connectors/connector.ts";
import { isTransient, ProviderError, parseOauthError } from "../connectors/provider-error.ts";
import type { AuditAct } from "../domain/audit.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import {
  type AttemptName,
  type ConnectAttempt,
  consumeAttempt,
  finishAttempt,
  openAttempt,
  type TakenAttempt,
} from "../storage/attempt-store.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findConnection } from "../storage/connection-store.ts";
import { userReference } from "../storage/user-reference.ts";
import { afterRotation } from "./after-rotation.ts";
import { type Caller, connectorOf, type Dependencies, detachedCall } from "./dependencies.ts";
import { listCards } from "./list-cards.ts";
import { logProviderFailure, providerFailure } from "./provider-failure.ts";
import { savePatiently } from "./save-patiently.ts";
import { storeGrant } from "./store-grant.ts";
import { accessForRenewal } from "./use-access.ts";

/** What the user came back with. */
export interface CompleteConnectCommand {
  readonly owner: Owner;
  /** How the consent is named: by the state, or by its hash where we found it ourselves. */
  readonly attempt: AttemptName;
  /** Whose callback it was, where the caller knows: for the audit of one that belongs to no consent. */
  readonly connector?: string | undefined;
  readonly code: string;
  readonly iss: string;
  /** The bank's refusal in place of a code; empty otherwise. */
  readonly error: string;
}

/** A consent that became a connection. */
export interface CompletedConnect {
  readonly connection: Connection;
  readonly profileEmail: string;
  readonly profileName: string;
  /** Empty when the bank could not be asked; the connection stands all the same. */
  readonly cards: readonly ProviderCard[];
}

/**
 * Ends a consent. The state is spent by one conditional update before the bank is asked; the exchange runs outside any transaction
 * and is heard to its end even when the caller goes away. A process that dies in between leaves the attempt as `exchanging`,
 * and the clean-up makes the bank undo what it issued.
 * Throws `INVALID_STATE`, `CONSENT_REFUSED` with the bank's OAuth code, `PROVIDER_RATE_LIMITED`, `PROVIDER_UNAVAILABLE`.
 */
export async function completeConnect(
  deps: Dependencies,
  command: CompleteConnectCommand,
  caller: Caller,
): Promise<CompletedConnect> {
  const attempt = await takeAttempt(deps, command, caller);
  if (command.error !== "" || command.code === "") {
    const error = command.error === "" ? "invalid_request" : (parseOauthError(command.error) ?? "access_denied");
    throw new DomainError("CONSENT_REFUSED", { error });
  }
  const startedMs = performance.now();
  const grant = await exchange(deps, attempt, command, caller);
  const durationMs = performance.now() - startedMs;
  const connection = await savePatiently(
    () => storeGrant(deps, { attempt, grant, durationMs, actor: caller.actor }),
    (error) => error instanceof DomainError,
  );
  const { profileEmail, profileName } = grant;
  return { connection, profileEmail, profileName, cards: await cardsIfAvailable(deps, connection, caller) };
}

async function takeAttempt(
  deps: Dependencies,
  command: CompleteConnectCommand,
  caller: Caller,
): Promise<ConnectAttempt> {
  const { owner, code, error } = command;
  const now = deps.clock.now();
  const refused = error !== "" || code === "";
  const attempt = await inTransaction(deps.storage.db, async (tx) => {
    const taken = await consumeAttempt(deps.storage, tx, {
      owner,
      ...command.attempt,
      code: refused ? undefined : code,
      now,
    });
    const act = actOfTaking(taken, command.connector ?? "", refused);
    if (act !== undefined) await appendAudit(deps.storage, tx, { owner, actor: caller.actor, now }, [act]);
    return taken;
  });
  if (attempt === undefined) throw new DomainError("INVALID_STATE");
  return await openAttempt(deps.storage, attempt, { actor: caller.actor, now });
}

function actOfTaking(taken: TakenAttempt | undefined, told: string, refused: boolean): AuditAct | undefined {
  if (taken === undefined) {
    return { action: "security_alert", outcome: "invalid_state", connector: told, institutionId: "", durationMs: 0 };
  }
  if (!refused) return undefined;
  const { connector, institutionId } = taken;
  return { action: "connect", outcome: "consent_refused", connector, institutionId, durationMs: 0 };
}

async function exchange(
  deps: Dependencies,
  attempt: ConnectAttempt,
  command: CompleteConnectCommand,
  caller: Caller,
): Promise<Grant> {
  const connector = connectorOf(deps, attempt);
  const { institutionId, redirectUri, proofs } = attempt;
  const { code, iss } = command;
  const startedMs = performance.now();
  try {
    const state = "state" in command.attempt ? command.attempt.state : "";
    const answer = { institutionId, redirectUri, state, code, iss, proofs };
    const user = userReference(deps.storage, attempt.owner);
    const reconnect = await accessToRenew(deps, attempt, caller);
    return await connector.complete({ ...answer, reconnect, userReference: user }, detachedCall(deps));
  } catch (cause) {
    if (!(cause instanceof ProviderError)) throw cause;
    await recordFailedExchange(deps, { attempt, cause, caller, startedMs });
    throw exchangeError(cause);
  }
}

async function accessToRenew(deps: Dependencies, attempt: ConnectAttempt, caller: Caller) {
  const { owner, connectionId } = attempt;
  if (connectionId === undefined) return undefined;
  const connection = await findConnection(deps.storage.db.query, { owner, connectionId });
  if (connection === undefined || connection.state === "REVOKED") throw new DomainError("INVALID_STATE");
  if (connectorOf(deps, connection).rotateAccess !== undefined) await afterRotation(deps, connection, caller);
  return await accessForRenewal(deps, connection, caller.actor);
}

async function recordFailedExchange(
  deps: Dependencies,
  failed: { attempt: ConnectAttempt; cause: ProviderError; caller: Caller; startedMs: number },
): Promise<void> {
  const { attempt, cause } = failed;
  const durationMs = performance.now() - failed.startedMs;
  const { connector, connectionId, institutionId } = attempt;
  logProviderFailure(deps, { connector, operation: "exchange_consent", connectionId, institutionId }, cause);
  const now = deps.clock.now();
  await inTransaction(deps.storage.db, async (tx) => {
    // Without an answer the bank may have issued tokens: the attempt stays open for the clean-up.
    if (!isTransient(cause.failure)) await finishAttempt(tx, attempt, "failed");
    const isAlert = cause.failure === "mismatch";
    await appendAudit(deps.storage, tx, { owner: attempt.owner, actor: failed.caller.actor, now }, [
      {
        action: isAlert ? "security_alert" : "token_exchange",
        outcome: cause.failure,
        connector,
        institutionId,
        durationMs,
      },
    ]);
  });
}

function exchangeError(cause: ProviderError): DomainError {
  if (cause.failure === "mismatch") return new DomainError("INVALID_STATE", {}, { cause });
  if (cause.failure === "rate_limited") return providerFailure(cause);
  const ourFault = cause.failure === "client_refused" || isTransient(cause.failure);
  if (cause.oauthError !== undefined && !ourFault) {
    return new DomainError("CONSENT_REFUSED", { error: cause.oauthError }, { cause });
  }
  return new DomainError("PROVIDER_UNAVAILABLE", {}, { cause });
}

async function cardsIfAvailable(
  deps: Dependencies,
  connection: Connection,
  caller: Caller,
): Promise<readonly ProviderCard[]> {
  if (!connection.hasCredential) return [];
  try {
    return await listCards(deps, connection, caller);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    deps.log.warn({ connectionId: connection.connectionId, reason: error.reason }, "cards not listed after a consent");
    return [];
  }
}
