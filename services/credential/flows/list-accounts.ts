import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Connector } from "../connectors/connector.ts";
import type { ProviderAccount } from "../connectors/provider-data.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import { assertAccountsReadable, type Connection } from "../domain/connection.ts";
import { needsRefresh } from "../domain/refresh-schedule.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findConnection } from "../storage/connection-store.ts";
import { type Caller, callFor, connectorOf, type Dependencies } from "./dependencies.ts";
import { openForUse } from "./open-for-use.ts";
import type { Refresher, RefreshResult } from "./refresh.ts";

/**
 * Accounts and balances of a connection, asked from the bank. An expired access token is refreshed first, and one the bank refuses is
 * refreshed once and tried again; all callers share that refresh.
 * Throws `PROVIDER_NOT_CONFIGURED`, `MISSING_ACCESS_TOKEN`, `BSIM_TOKEN_EXPIRED`, `BSIM_UNAUTHORIZED`,
 * `BSIM_INVALID_CREDENTIALS`, `BSIM_UNAVAILABLE`.
 */
export async function listAccounts(
  parts: { deps: Dependencies; refresher: Refresher },
  connection: Connection,
  caller: Caller,
): Promise<readonly ProviderAccount[]> {
  const { deps } = parts;
  const startedMs = performance.now();
  try {
    const accounts = await fetchAccounts(parts, connection, caller);
    await audit(deps, connection, caller, { outcome: "ok", startedMs });
    return accounts;
  } catch (error) {
    const known = accountsError(error);
    if (known === undefined) throw error;
    await audit(deps, connection, caller, { outcome: known.reason.toLowerCase(), startedMs });
    throw known;
  }
}

async function fetchAccounts(
  parts: { deps: Dependencies; refresher: Refresher },
  connection: Connection,
  caller: Caller,
): Promise<readonly ProviderAccount[]> {
  const { deps } = parts;
  const connector = connectorOf(deps, connection);
  const unreachable = await outageOf(connector, connection);
  assertAccountsReadable(connection);
  if (unreachable !== undefined) throw unreachable;
  const fresh = needsRefresh(connection.accessTokenExpiresAt, deps.clock.now())
    ? await refreshed(parts, connection, caller)
    : connection;
  try {
    return await ask(deps, { connection: fresh, connector, caller });
  } catch (error) {
    if (!(error instanceof ProviderError && error.failure === "unauthorized")) throw error;
    // Read again: when someone has refreshed since, his token is tried, and the bank is not asked for yet another.
    const again = await refreshed(parts, fresh, caller);
    return await ask(deps, { connection: again, connector, caller });
  }
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
  return connectionAfter(await parts.refresher.refresh(connection, { actor, signal }));
}

/** The refreshed connection, or the error a caller who reads accounts is told. */
function connectionAfter(result: RefreshResult): Connection {
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
      throw new DomainError("BSIM_UNAVAILABLE");
    case "gone":
      throw new DomainError("CONNECTION_NOT_FOUND");
    default: {
      const impossible: never = result.outcome;
      throw new Error(`unreachable outcome ${String(impossible)}`);
    }
  }
}

async function ask(
  deps: Dependencies,
  work: { connection: Connection; connector: Connector; caller: Caller },
): Promise<readonly ProviderAccount[]> {
  const { connection, connector, caller } = work;
  const token = await openForUse(deps, connection, "access_token", caller.actor);
  if (token === undefined) throw new DomainError("MISSING_ACCESS_TOKEN");
  const { institutionId, providerReference, ownerReference } = connection;
  const access = { institutionId, providerReference, ownerReference, accessToken: token.plaintext };
  return await connector.listAccounts(access, callFor(deps, caller));
}

function accountsError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) {
    return error.reason === "PROVIDER_UNAVAILABLE" ? new DomainError("BSIM_UNAVAILABLE", {}, { cause: error }) : error;
  }
  if (error instanceof ProviderError) {
    const isRefusal = error.failure === "unauthorized" || error.failure === "forbidden";
    return new DomainError(isRefusal ? "BSIM_UNAUTHORIZED" : "BSIM_UNAVAILABLE", {}, { cause: error });
  }
  // The caller's own deadline, while he waited for a refresh.
  if (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError")) {
    return new DomainError("BSIM_UNAVAILABLE", {}, { cause: error });
  }
  return undefined;
}

async function audit(
  deps: Dependencies,
  connection: Connection,
  caller: Caller,
  end: { outcome: string; startedMs: number },
): Promise<void> {
  const { owner, connectionId, institutionId } = connection;
  const durationMs = performance.now() - end.startedMs;
  const act = { action: "account_list", outcome: end.outcome, connectionId, institutionId, durationMs } as const;
  const subject = { owner, actor: caller.actor, now: deps.clock.now() };
  await inTransaction(deps.storage.db, (tx) => appendAudit(deps.storage, tx, subject, [act]));
}
