import { randomUUID } from "node:crypto";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { Connector, ConsentRequest, ConsentStart } from "../connectors/connector.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import { isAllowedUrl } from "../domain/provider-urls.ts";
import { insertAttempt } from "../storage/attempt-store.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { hasRoomForConnection } from "../storage/connection-store.ts";
import { userReference } from "../storage/user-reference.ts";
import { afterRotation } from "./after-rotation.ts";
import { type Caller, callFor, connectorNamed, type Dependencies } from "./dependencies.ts";
import { findOwnConnection } from "./find-own-connection.ts";
import { fromProvider } from "./provider-failure.ts";
import { accessForRenewal } from "./use-access.ts";

/** How long a user may take at the bank, milliseconds. */
export const attemptLifeMs = 10 * 60_000;
const attemptLifeMsMax = 4 * 3_600_000;
// While an operator has tokens replaced, each once.
const beginsMax = 2;
const redirectLengthMax = 2048;

/** A consent to begin. */
export interface BeginConnectCommand {
  readonly owner: Owner;
  readonly connector: string;
  readonly institutionId: string;
  readonly redirectUri: string;
  /** The connection whose consent is to be renewed in place. */
  readonly connectionId?: string | undefined;
  /** Where the user's browser goes in the end, when our own callback ends the consent. */
  readonly returnUrl?: string | undefined;
  /** The mark of the browser that alone may end it, where one began it. */
  readonly browserMark?: string | undefined;
}

/** Where to send the user, and the state he comes back with. */
export interface BegunConnect {
  readonly authUrl: string | undefined;
  readonly linkToken: string | undefined;
  readonly state: string;
  readonly expiresAt: Date;
}

/**
 * Begins a consent: state, PKCE verifier and nonce are stored before the user is sent off, so any replica can end it.
 * Throws `BANK_NOT_FOUND`, `PROVIDER_NOT_CONFIGURED`, `PROVIDER_UNAVAILABLE`, `INVALID_ARGUMENT`.
 */
export async function beginConnect(
  deps: Dependencies,
  command: BeginConnectCommand,
  caller: Caller,
): Promise<BegunConnect> {
  const { owner, institutionId, redirectUri } = command;
  const connector = connectorNamed(deps, command.connector);
  assertRedirect(redirectUri, deps.insecureAllowed);
  await connector.check(institutionId, "begin");
  if (!(await hasRoomForConnection(deps.storage.db.query, owner))) {
    throw new DomainError("INVALID_ARGUMENT", { why: "Too many connections" });
  }
  const state = randomToken(32);
  const startedMs = performance.now();
  const request = { institutionId, redirectUri, state, userReference: userReference(deps.storage, owner) };
  const start = await beginAtProvider(deps, { command, connector, request }, caller);
  const kept = { ...command, state, proofs: start.proofs, pageEnd: start.expiresAt, startedMs };
  const expiresAt = await keepAttempt(deps, kept, caller);
  return { authUrl: start.authUrl, linkToken: start.linkToken, state, expiresAt };
}

/** A consent that was begun at a provider, as it is kept until its user is back. */
export interface AttemptToKeep extends BeginConnectCommand {
  readonly state: string;
  readonly proofs: string;
  /** When the provider's page stops working; undefined when it does not say. */
  readonly pageEnd?: Date | undefined;
  readonly startedMs: number;
}

/** Keeps it, with its audit row. Resolves to when it ends. */
export async function keepAttempt(deps: Dependencies, begun: AttemptToKeep, caller: Caller): Promise<Date> {
  const { pageEnd, startedMs, ...attempt } = begun;
  const { owner, connector, institutionId } = attempt;
  const now = deps.clock.now();
  const expiresAt = endOfAttempt(now, pageEnd);
  await inTransaction(deps.storage.db, async (tx) => {
    await insertAttempt(deps.storage, tx, { ...attempt, attemptId: randomUUID(), createdAt: now, expiresAt });
    await appendAudit(deps.storage, tx, { owner, actor: caller.actor, now }, [
      { action: "connect", outcome: "started", connector, institutionId, durationMs: performance.now() - startedMs },
    ]);
  });
  return expiresAt;
}

/** A provider's page may be open for longer than we would wait ourselves; nobody signs in for more than four hours. */
function endOfAttempt(now: Date, pageEnd: Date | undefined): Date {
  const lifeMs = pageEnd === undefined ? 0 : pageEnd.getTime() - now.getTime();
  return new Date(now.getTime() + Math.min(Math.max(lifeMs, attemptLifeMs), attemptLifeMsMax));
}

/**
 * Begins it there. What a provider says of a token that was being replaced meanwhile is not believed, for it would be linked anew: it is
 * asked again with the new one.
 */
async function beginAtProvider(
  deps: Dependencies,
  work: { command: BeginConnectCommand; connector: Connector; request: Omit<ConsentRequest, "reconnect"> },
  caller: Caller,
): Promise<ConsentStart> {
  const { command, connector, request } = work;
  const { connectionId, institutionId } = command;
  const asked = { connector: connector.name, operation: "begin_consent", connectionId, institutionId };
  for (let attempt = 1; attempt <= beginsMax; attempt += 1) {
    const renewed = await connectionToRenew(deps, command, caller);
    const reconnect = renewed && (await accessForRenewal(deps, renewed, caller.actor));
    const start = await fromProvider(deps, asked, connector.begin({ ...request, reconnect }, callFor(deps, caller)));
    if (renewed === undefined || connector.rotateAccess === undefined) return start;
    const current = await findOwnConnection(deps, renewed);
    if (current.refreshEpoch === renewed.refreshEpoch) return start;
  }
  throw new DomainError("PROVIDER_UNAVAILABLE");
}

async function connectionToRenew(
  deps: Dependencies,
  command: BeginConnectCommand,
  caller: Caller,
): Promise<Connection | undefined> {
  const { owner, connectionId } = command;
  if (connectionId === undefined) return undefined;
  const connection = await findOwnConnection(deps, { owner, connectionId });
  if (connection.connector !== command.connector) throw new DomainError("CONNECTION_NOT_FOUND");
  if (deps.connectors.get(connection.connector)?.rotateAccess === undefined) return connection;
  const settled = await afterRotation(deps, connection, { ...caller, timeoutMs: () => caller.timeoutMs() / 2 });
  if (settled === "busy") throw new DomainError("PROVIDER_UNAVAILABLE");
  return await findOwnConnection(deps, settled ?? connection);
}

function assertRedirect(redirectUri: string, insecureAllowed: boolean): void {
  const fits = redirectUri.length <= redirectLengthMax && isAllowedUrl(redirectUri, insecureAllowed);
  // The code comes back in the query: a redirect with one of its own could not be told from the bank's answer.
  if (!fits || new URL(redirectUri).search !== "" || redirectUri.includes("#")) {
    throw new DomainError("INVALID_ARGUMENT", {
      why: "redirectUri is not an address the bank can send a user back to",
    });
  }
}
