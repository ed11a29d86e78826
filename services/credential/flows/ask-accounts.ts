import type { ProviderAccount } from "../connectors/provider-data.ts";
import type { AuditAct } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { type Caller, callFor, type Dependencies } from "./dependencies.ts";
import type { AskedOfProvider } from "./provider-failure.ts";
import type { Refresher } from "./refresh.ts";
import { type AccessedConnection, useAccess } from "./use-access.ts";

/**
 * The accounts of a connection as its provider tells them now. An expired access token is refreshed first, and one the provider refuses
 * is refreshed once and tried again; all callers share that refresh. Errors as `useAccess`. The audit is the caller's, by `accountListAct`.
 */
export async function askAccounts(
  parts: { deps: Dependencies; refresher: Refresher },
  of: AccessedConnection,
  caller: Caller,
): Promise<readonly ProviderAccount[]> {
  return await useAccess(parts, {
    ...of,
    caller,
    run: (connector, access) => connector.listAccounts(access, callFor(parts.deps, caller)),
  });
}

/** What the log is told of it when it fails. */
export function accountsAsked({ connector, connectionId, institutionId }: Connection): AskedOfProvider {
  return { connector, operation: "list_accounts", connectionId, institutionId };
}

/** What the audit is told of it; `startedMs` by `performance.now()`. */
export function accountListAct(connection: Connection, end: { outcome: string; startedMs: number }): AuditAct {
  const { connectionId, connector, institutionId } = connection;
  const durationMs = performance.now() - end.startedMs;
  return { action: "account_list", outcome: end.outcome, connectionId, connector, institutionId, durationMs };
}
