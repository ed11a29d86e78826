import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Connection } from "../domain/connection.ts";
import type { SyncKind } from "../domain/sync-run.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { findOwnConnection } from "../flows/find-own-connection.ts";
import { listProviderAccounts } from "../flows/list-provider-accounts.ts";
import { readAccounts } from "../flows/read-accounts.ts";
import { requestRun } from "../flows/request-run.ts";
import { listAuditEntries } from "../storage/audit-read.ts";
import { readStatistics } from "../storage/statistics-store.ts";
import { listRuns } from "../storage/sync-run-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import {
  auditEntryMessage,
  connectedAccountMessage,
  connectedTransactionMessage,
  providerAccountMessage,
  providerAccountsErrorMessage,
  statisticsAgeMsMax,
  statisticsMessage,
  syncRunMessage,
} from "./connector-messages.ts";
import { readTransactionPage } from "./read-transaction-page.ts";
import { callerOf, ownerOf, phoneOwner, readPage, timeOf, tokenAfter, userConnectionKey } from "./request-parts.ts";

type All = Handlers<typeof Credential>;

/** Accounts and transactions of data providers. */
export function providerDataHandlers(
  parts: HandlerParts,
): Pick<All, "listConnectionAccounts" | "listConnectionTransactions" | "listProviderAccounts"> {
  const { deps } = parts;
  return {
    listConnectionAccounts: async (request, ctx) => {
      const connection = await findOfConnector(deps, request, ctx);
      return { accounts: (await readAccounts(parts, connection, callerOf(ctx))).map(connectedAccountMessage) };
    },
    listConnectionTransactions: async (request, ctx) => {
      const query = { ...readPage(request), from: timeOf("from", request.from), to: timeOf("to", request.to) };
      const connection = await findOfConnector(deps, request, ctx);
      const page = await readTransactionPage(deps.storage.db.query, connection, query);
      return { ...page, transactions: page.transactions.map(connectedTransactionMessage) };
    },
    listProviderAccounts: async (request, ctx) => {
      const overview = await listProviderAccounts(parts, ownerOf(request.owner), callerOf(ctx));
      return {
        accounts: overview.accounts.map(providerAccountMessage),
        errors: overview.errors.map(providerAccountsErrorMessage),
      };
    },
  };
}

/** Runs, and what was done. */
export function connectionHistoryHandlers({
  deps,
}: HandlerParts): Pick<
  All,
  "refreshUserConnection" | "syncUserConnection" | "listConnectionAudit" | "listSyncHistory" | "getConnectorStatistics"
> {
  return {
    refreshUserConnection: (request, ctx) => startRun(deps, { request, kind: "tokens", ctx }),
    syncUserConnection: (request, ctx) => startRun(deps, { request, kind: "transactions", ctx }),
    listConnectionAudit: async (request, ctx) => {
      const { limit, after } = readPage(request);
      const connection = await findOfConnector(deps, request, ctx);
      const rows = await listAuditEntries(deps.storage, connection, { after, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const nextPageToken = tokenAfter(rows, page, (last) => ({ at: last.at, id: last.position }));
      return { entries: page.map(auditEntryMessage), nextPageToken };
    },
    listSyncHistory: async (request, ctx) => {
      const { limit, after } = readPage(request);
      const connection = await findOfConnector(deps, request, ctx);
      const cursor = after && { requestedAt: after.at, runId: after.id };
      const rows = await listRuns(deps.storage.db.query, connection, { after: cursor, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const nextPageToken = tokenAfter(rows, page, (last) => ({ at: last.requestedAt, id: last.runId }));
      return { runs: page.map(syncRunMessage), nextPageToken };
    },
    getConnectorStatistics: async () => {
      const query = { now: deps.clock.now(), maxAgeMs: statisticsAgeMsMax };
      return statisticsMessage(await readStatistics(deps.storage.db.query, query));
    },
  };
}

/** Asks for a run; 202. */
export async function startRun(
  deps: Dependencies,
  asked: { request: { connector: string; connectionId: string }; kind: SyncKind; ctx: CallContext },
) {
  const { request, kind, ctx } = asked;
  const connection = await findOfConnector(deps, request, ctx);
  const jobId = await requestRun(deps, { connection, kind }, callerOf(ctx).actor);
  ctx.setHttpStatus(202);
  return { jobId };
}

/** A connection of the caller; a path that names another provider finds nothing. */
export async function findOfConnector(
  deps: Dependencies,
  request: { connector: string; connectionId: string },
  ctx: CallContext,
): Promise<Connection> {
  const owner = phoneOwner(ctx);
  const connection = await findOwnConnection(deps, userConnectionKey(ctx, request));
  if (request.connector !== "" && request.connector !== connection.connector) {
    throw new DomainError("CONNECTION_NOT_FOUND", { tenant: owner.tenant });
  }
  return connection;
}
