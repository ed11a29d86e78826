import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ConnectionAccess, Connector } from "../connectors/connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { Actor } from "../domain/audit.ts";
import { assertAccountsReadable, type Connection } from "../domain/connection.ts";
import { needsRefresh } from "../domain/refresh-schedule.ts";
import type { ConnectionForAccess } from "../storage/access-reads.ts";
import { findConnection } from "../storage/connection-store.ts";
import { type Caller, connectorOf, type Dependencies } from "./dependencies.ts";
import { endConsentIfRefused } from "./end-consent.ts";
import { openForUse, openReadAccess } from "./open-for-use.ts";
import { refreshFailure } from "./provider-failure.ts";
import type { Refresher, RefreshResult } from "./refresh.ts";
import { rotatedMeanwhile } from "./rotated-meanwhile.ts";

/** A connection whose access token is about to be used. */
export interface AccessedConnection {
  readonly connection: Connection;
  /** The connection as it was read together with its token, which is read by itself when absent, and after a refresh. */
  readonly read?: ConnectionForAccess | undefined;
}

/** One use of what opens a connection's accounts. */
export interface AccessUse<T> extends AccessedConnection {
  readonly caller: Caller;
  run(connector: Connector, access: ConnectionAccess): Promise<T>;
}

/**
 * Uses the access token of a connection. An expired one is refreshed first, and one the provider refuses is refreshed once and tried
 * again; all callers share that refresh. A refusal of what cannot be refreshed makes the connection wait for its user.
 * Throws `ProviderError`, `PROVIDER_NOT_CONFIGURED`, `PROVIDER_RATE_LIMITED`, `PROVIDER_UNAVAILABLE`, `CONNECTION_NOT_FOUND`,
 * `MISSING_ACCESS_TOKEN`, `BSIM_TOKEN_EXPIRED`, `BSIM_INVALID_CREDENTIALS`.
 */
export async function useAccess<T>(parts: { deps: Dependencies; refresher: Refresher }, use: AccessUse<T>): Promise<T> {
  const { deps } = parts;
  const { connection, caller } = use;
  const connector = connectorOf(deps, connection);
  const unreachable = await outageOf(connector, connection);
  assertAccountsReadable(connection);
  if (unreachable !== undefined) throw unreachable;
  const fresh = needsRefresh(connection.accessTokenExpiresAt, deps.clock.now())
    ? await refreshed(parts, connection, caller)
    : connection;
  try {
    return await ask(deps, connector, { ...use, connection: fresh, read: fresh === connection ? use.read : undefined });
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    // Read again: when someone has refreshed since, his token is tried, and the bank is not asked for yet another.
    const again =
      error.failure === "unauthorized"
        ? await refreshed(parts, fresh, caller)
        : await rotatedMeanwhile(deps, { connector, connection: fresh, error, caller });
    if (again === undefined) throw error;
    return await ask(deps, connector, { ...use, connection: again, read: undefined });
  }
}

async function ask<T>(deps: Dependencies, connector: Connector, use: AccessUse<T>): Promise<T> {
  const { connection, caller, read } = use;
  const token =
    read === undefined
      ? await openForUse(deps, connection, "access_token", caller.actor)
      : await openReadAccess(deps, read, caller.actor);
  if (token === undefined) throw new DomainError("MISSING_ACCESS_TOKEN");
  try {
    return await use.run(connector, accessOf(connection, token.plaintext));
  } catch (error) {
    if (error instanceof ProviderError) {
      await endConsentIfRefused(deps, { connection, connector, token: token.plaintext, error, actor: caller.actor });
    }
    throw error;
  }
}

/**
 * What a provider needs to renew a connection's consent in place; undefined when there is no token to show, or one that a refresh would
 * have to renew first: then the user consents as if for the first time, and the connection is found by its owner.
 */
export async function accessForRenewal(
  deps: Dependencies,
  connection: Connection,
  actor: Actor,
): Promise<ConnectionAccess | undefined> {
  const token = await openForUse(deps, connection, "access_token", actor);
  return token === undefined ? undefined : accessOf(connection, token.plaintext);
}

/** What connectors need of a connection beside its token. */
function accessOf(connection: Connection, accessToken: string): ConnectionAccess {
  const { institutionId, providerReference, ownerReference } = connection;
  return { institutionId, providerReference, ownerReference, accessToken };
}

/** An outage that is known without asking; a user who has to come anyway is told that first. */
async function outageOf(connector: Connector, connection: Connection): Promise<DomainError | undefined> {
  try {
    await connector.check(connection.institutionId, "use");
    return undefined;
  } catch (error) {
    if (error instanceof DomainError && error.reason === "PROVIDER_UNAVAILABLE") return error;
    throw error;
  }
}

async function refreshed(
  parts: { deps: Dependencies; refresher: Refresher },
  connection: Connection,
  caller: Caller,
): Promise<Connection> {
  if (!connection.hasRefreshToken) {
    const current = await findConnection(parts.deps.storage.db.query, connection);
    if (current !== undefined && current.tokenVersion !== connection.tokenVersion) return current;
  }
  const { actor, signal } = caller;
  return connectionAfter(parts.refresher, await parts.refresher.refresh(connection, { actor, signal }), connection);
}

/** The refreshed connection, or the error a caller who reads accounts is told. */
function connectionAfter(refresher: Refresher, result: RefreshResult, before: Connection): Connection {
  switch (result.outcome) {
    case "refreshed":
      if (result.connection === undefined) throw new DomainError("CONNECTION_NOT_FOUND");
      return result.connection;
    case "reauth_required":
      throw new DomainError("BSIM_TOKEN_EXPIRED");
    case "misconfigured":
      throw new DomainError("BSIM_INVALID_CREDENTIALS");
    case "transient":
    case "provider_down":
      throw refreshFailure(refresher, before);
    case "gone":
      throw new DomainError("CONNECTION_NOT_FOUND");
    default: {
      const impossible: never = result.outcome;
      throw new Error(`unreachable outcome ${String(impossible)}`);
    }
  }
}
