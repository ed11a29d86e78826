import type { FastifyReply } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { ProviderAccount } from "../../connectors/provider-data.ts";
import type { Connection } from "../../domain/connection.ts";
import { useFailure } from "../../flows/provider-failure.ts";
import { readAccounts } from "../../flows/read-accounts.ts";
import { readTransactionPage } from "../../rpc/read-transaction-page.ts";
import { readPage } from "../../rpc/request-parts.ts";
import { listAuditEntries } from "../../storage/audit-read.ts";
import { listStoredAccounts } from "../../storage/provider-data-store.ts";
import { listRuns } from "../../storage/sync-run-store.ts";
import { findSyncState } from "../../storage/sync-state-store.ts";
import { connectionView } from "./connection-view.ts";
import { nameOf } from "./connections-view.ts";
import { extensionDaysOf } from "./extend-pages.ts";
import type { ConnectionPageParts, PageContext, Visit } from "./page-context.ts";

const transactionsPerPage = 25;
const runsMax = 8;
const actsMax = 30;

/** What a redirect to this page has to tell; the address names a thing, never a text. */
const notices: Readonly<Record<string, string>> = {
  connected: "Connected. Accounts and transactions are being fetched.",
  sync: "Accounts and transactions are being fetched.",
  refresh: "Access is being renewed.",
  extended: "Your consent goes on. Thank you.",
};

/** The page of one connection. An account that is not of it, or a page token that was not made here, is `INVALID_ARGUMENT`. */
export async function showConnection(
  context: PageContext,
  parts: ConnectionPageParts,
  visit: Visit,
  shown: { readonly connection: Connection; readonly providerName: string },
): Promise<FastifyReply> {
  const { storage, clock, connectors } = parts.deps;
  const { connection, providerName } = shown;
  const text = (name: string): string => {
    const value: unknown = Reflect.get(Object(visit.request.query), name);
    return typeof value === "string" ? value : "";
  };
  const read = await accountsOf(parts, connection, visit);
  const account = text("account") === "" ? undefined : read.accounts.find((each) => each.accountId === text("account"));
  if (account === undefined && text("account") !== "") throw new DomainError("INVALID_ARGUMENT", { why: "account" });
  const known = await findSyncState(storage.db.query, connection);
  const page = await transactionsOf(parts, connection, { accountId: account?.accountId, pageToken: text("page") });
  const body = connectionView({
    csrf: visit.csrf,
    now: clock.now(),
    connection,
    providerName,
    extensionDays: extensionDaysOf(parts.deps, connection),
    // A provider that has told nothing yet, not even that there is nothing, gives no place to go on from.
    syncedSince: known?.cursor === "" ? undefined : known?.backfilledFrom,
    canRenew: connectors.get(connection.connector)?.refresh !== undefined,
    accounts: read.accounts,
    accountsProblem: read.problem,
    account,
    ...page,
    runs: await listRuns(storage.db.query, connection, { after: undefined, limit: runsMax }),
    // Every use of a secret leaves an entry; what came of it is what people look for.
    acts: await listAuditEntries(storage, connection, {
      after: undefined,
      limit: actsMax,
      without: ["credential_access"],
    }),
    notice: Object.hasOwn(notices, text("done")) ? notices[text("done")] : undefined,
  });
  return context.show(visit, { title: nameOf(connection, providerName), body, leadsElsewhere: true });
}

/** The accounts of now where they can be had, else those of last time with the reason. */
async function accountsOf(
  parts: ConnectionPageParts,
  connection: Connection,
  visit: Visit,
): Promise<{ readonly accounts: readonly ProviderAccount[]; readonly problem?: string }> {
  try {
    return { accounts: await readAccounts(parts, connection, visit.caller) };
  } catch (error) {
    const failure = useFailure(error);
    if (failure === undefined) throw error;
    const accounts = await listStoredAccounts(parts.deps.storage.db.query, connection);
    // That it needs its owner is told by its state already.
    if (failure.reason === "REAUTHORIZATION_REQUIRED" && connection.stateReason !== "") return { accounts };
    return { accounts, problem: problems[failure.reason] ?? "The accounts cannot be read right now." };
  }
}

const problems: Readonly<Record<string, string>> = {
  REAUTHORIZATION_REQUIRED: "The provider wants your consent again. Connect again to go on.",
  PROVIDER_NOT_CONFIGURED: "This provider is not set up here at the moment. You can still disconnect.",
};

async function transactionsOf(
  { deps }: ConnectionPageParts,
  connection: Connection,
  asked: { readonly accountId: string | undefined; readonly pageToken: string },
) {
  const query = {
    accountId: asked.accountId,
    ...readPage({ pageSize: transactionsPerPage, pageToken: asked.pageToken }),
  };
  const { transactions, nextPageToken } = await readTransactionPage(deps.storage.db.query, connection, query);
  return { transactions, olderToken: nextPageToken };
}
