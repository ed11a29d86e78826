import { randomUUID } from "node:crypto";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { Owner } from "../domain/connection.ts";
import { isAllowedUrl } from "../domain/provider-urls.ts";
import { insertAttempt } from "../storage/attempt-store.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { hasRoomForConnection } from "../storage/connection-store.ts";
import { userReference } from "../storage/user-reference.ts";
import { type Caller, callFor, connectorNamed, type Dependencies } from "./dependencies.ts";

/** How long a user may take at the bank, milliseconds. */
export const attemptLifeMs = 10 * 60_000;
const redirectLengthMax = 2048;

/** A consent to begin. */
export interface BeginConnectCommand {
  readonly owner: Owner;
  readonly connector: string;
  readonly institutionId: string;
  readonly redirectUri: string;
}

/** Where to send the user, and the state he comes back with. */
export interface BegunConnect {
  readonly authUrl: string;
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
  const start = await connector.begin(request, callFor(deps, caller)).catch((cause: unknown) => {
    if (cause instanceof ProviderError) throw new DomainError("PROVIDER_UNAVAILABLE", {}, { cause });
    throw cause;
  });
  const now = deps.clock.now();
  const expiresAt = new Date(now.getTime() + attemptLifeMs);
  await inTransaction(deps.storage.db, async (tx) => {
    const { connector: name } = command;
    const attempt = {
      owner,
      attemptId: randomUUID(),
      connector: name,
      institutionId,
      redirectUri,
      proofs: start.proofs,
    };
    await insertAttempt(deps.storage, tx, { ...attempt, state, createdAt: now, expiresAt });
    await appendAudit(deps.storage, tx, { owner, actor: caller.actor, now }, [
      { action: "connect", outcome: "started", institutionId, durationMs: performance.now() - startedMs },
    ]);
  });
  return { authUrl: start.authUrl ?? "", state, expiresAt };
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
