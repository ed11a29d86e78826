import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { Connection } from "../domain/connection.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findConnection } from "../storage/connection-store.ts";
import { dropNotices } from "../storage/notice-store.ts";
import { type BegunConnect, keepAttempt } from "./begin-connect.ts";
import { type Caller, connectorOf, type Dependencies } from "./dependencies.ts";
import { type LinkAddresses, linkConnector, wayBack } from "./link-connector.ts";
import { refreshFailure } from "./provider-failure.ts";
import type { Refresher } from "./refresh.ts";

/** What extensions work with. */
export interface ExtendParts {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
  readonly addresses: LinkAddresses;
}

/** What came of one: a consent that goes on, or the page its owner has to go to first. */
export type ExtendedConsent = { readonly connection: Connection } | { readonly link: BegunConnect };

/**
 * Extends the consent of a connection whose owner has confirmed it. Where its provider extends none, or refuses, the consent is renewed
 * in place instead. Throws `INVALID_ARGUMENT`, `CONNECTION_NOT_FOUND`, `PROVIDER_RATE_LIMITED`, `PROVIDER_UNAVAILABLE`, and as `linkConnector`.
 */
export async function extendConsent(
  parts: ExtendParts,
  connection: Connection,
  given: { readonly returnUrl: string; readonly browserMark?: string | undefined },
  caller: Caller,
): Promise<ExtendedConsent> {
  const { deps, refresher, addresses } = parts;
  const { owner, connector: name, institutionId, connectionId } = connection;
  const connector = connectorOf(deps, connection);
  const way = wayBack(addresses, connector, given.returnUrl);
  const { browserMark } = given;
  const command = { owner, connector: name, institutionId, connectionId, browserMark, ...way };
  const renewal = async () => ({ link: await linkConnector(deps, addresses, command, caller) });
  if (connector.extendConsent === undefined || !connection.hasRefreshToken) return await renewal();
  const state = randomToken(32);
  const startedMs = performance.now();
  const { actor, signal } = caller;
  const result = await refresher.extend(connection, { actor, signal, state });
  switch (result.outcome) {
    case "extended":
      return { connection: await confirmed(deps, connection, { caller, startedMs }) };
    case "user_needed": {
      const { authUrl, proofs } = result;
      const expiresAt = await keepAttempt(deps, { ...command, state, proofs, startedMs }, caller);
      return { link: { authUrl, linkToken: undefined, state, expiresAt } };
    }
    case "refused":
    case "reauth_required":
      return await renewal();
    case "gone":
      throw new DomainError("CONNECTION_NOT_FOUND");
    case "transient":
    case "provider_down":
    case "misconfigured":
      throw refreshFailure(refresher, connection);
    default: {
      const impossible: never = result;
      throw new Error(`unreachable outcome ${String(impossible)}`);
    }
  }
}

/** The owner's word is kept beside what it led to. */
async function confirmed(
  deps: Dependencies,
  connection: Connection,
  act: { readonly caller: Caller; readonly startedMs: number },
): Promise<Connection> {
  const { owner, connectionId, connector, institutionId } = connection;
  const current = await findConnection(deps.storage.db.query, connection);
  if (current === undefined) throw new DomainError("CONNECTION_NOT_FOUND");
  const subject = { owner, actor: act.caller.actor, now: deps.clock.now() };
  const durationMs = performance.now() - act.startedMs;
  const details = { until: current.consentExpiresAt?.toISOString() ?? "" };
  await inTransaction(deps.storage.db, async (tx) => {
    // Nobody is to be reminded of what he has just done.
    await dropNotices(tx, connection);
    await appendAudit(deps.storage, tx, subject, [
      { action: "connect", outcome: "consent_extended", connectionId, connector, institutionId, durationMs, details },
    ]);
  });
  return current;
}
