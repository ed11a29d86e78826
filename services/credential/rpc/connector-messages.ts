import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ConnectedAccountSchema,
  ConnectedTransactionSchema,
  ConnectionAuditEntrySchema,
  ConnectorStatisticsSchema,
  ExtendConsentResponseSchema,
  InstitutionSchema,
  ProviderAccountSchema,
  ProviderAccountsErrorSchema,
  SyncRunSchema,
  UserConnectionSchema,
} from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { toMajorNumber } from "../../platform/money/amount.ts";
import { parseCurrency } from "../../platform/money/currency.ts";
import type { Institution, ProviderAccount, ProviderTransaction } from "../connectors/provider-data.ts";
import type { Connection, ShownConnection } from "../domain/connection.ts";
import type { SyncRun } from "../domain/sync-run.ts";
import type { BegunConnect } from "../flows/begin-connect.ts";
import type { ExtendedConsent } from "../flows/extend-consent.ts";
import type { ConnectionAuditEntry } from "../storage/audit-read.ts";
import type { Snapshot } from "../storage/shared-snapshot.ts";
import type { Statistics } from "../storage/statistics-store.ts";
import { credentialErrors } from "./error-table.ts";

/** A member that is left out when there is nothing to say. */
function given<N extends string, T, R>(name: N, value: T | undefined, as: (value: T) => R): Partial<Record<N, R>> {
  return value === undefined ? {} : ({ [name]: as(value) } as Record<N, R>); // the computed name is N
}

const same = <T>(value: T): T => value;

/** A consent that was begun: what its user needs to go on. */
export function begunMessage(begun: BegunConnect) {
  return {
    ...given("linkToken", begun.linkToken, same),
    ...given("authUrl", begun.authUrl, same),
    state: begun.state,
    expiresAt: timestampFromDate(begun.expiresAt),
  };
}

/** A consent that was extended, or the page its owner has to go to first. */
export function extendedMessage(
  connectionId: string,
  extended: ExtendedConsent,
): MessageInitShape<typeof ExtendConsentResponseSchema> {
  if ("link" in extended) return { connectionId, extended: false, ...begunMessage(extended.link) };
  const { consentExpiresAt } = extended.connection;
  return { connectionId, extended: true, ...given("consentExpiresAt", consentExpiresAt, timestampFromDate) };
}

/** A connection as its owner sees it. */
export function userConnectionMessage(connection: ShownConnection): MessageInitShape<typeof UserConnectionSchema> {
  const { connectionId, connector, institutionId, institutionName, state, stateReason, status } = connection;
  return {
    connectionId,
    connector,
    institutionId,
    institutionName,
    state,
    stateReason,
    status,
    ...given("consentExpiresAt", connection.consentExpiresAt, timestampFromDate),
    ...given("lastSyncAt", connection.lastSyncAt, timestampFromDate),
    connectedAt: timestampFromDate(connection.connectedAt),
    ...given("action", state === "EXPIRED" ? "reconnect" : undefined, same),
    ...given("retentionDays", connection.settings.retentionDays, same),
  };
}

/** An institution. */
export function institutionMessage(institution: Institution): MessageInitShape<typeof InstitutionSchema> {
  const { institutionId, name, logoUrl, countries } = institution;
  return { institutionId, name, ...given("logoUrl", logoUrl, same), countries: [...countries] };
}

/** An account, its money in major units. */
export function connectedAccountMessage(account: ProviderAccount): MessageInitShape<typeof ConnectedAccountSchema> {
  const currency = parseCurrency(account.currency);
  const major = (minor: bigint) => toMajorNumber(minor, currency);
  return {
    accountId: account.accountId,
    accountType: account.accountType,
    displayName: account.displayName,
    maskedNumber: account.maskedNumber,
    currency,
    ...given("balance", account.balanceMinor, major),
    ...given("available", account.availableMinor, major),
    ...given("asOf", account.asOf, timestampFromDate),
  };
}

/** A transaction, its money in major units. */
export function connectedTransactionMessage(
  transaction: ProviderTransaction,
): MessageInitShape<typeof ConnectedTransactionSchema> {
  const { transactionId, accountId, description, status } = transaction;
  const currency = parseCurrency(transaction.currency);
  return {
    transactionId,
    accountId,
    amount: toMajorNumber(transaction.amountMinor, currency),
    currency,
    description,
    status,
    postedAt: timestampFromDate(transaction.postedAt),
    ...given("transactedAt", transaction.transactedAt, timestampFromDate),
    ...given("category", transaction.category, same),
  };
}

/** A run. */
export function syncRunMessage(run: SyncRun): MessageInitShape<typeof SyncRunSchema> {
  const { kind, trigger, state, attempts, pages, added, changed, removed, error } = run;
  return {
    jobId: run.runId,
    ...{ kind, trigger, state, attempts, pages, added, changed, removed, error },
    requestedAt: timestampFromDate(run.requestedAt),
    ...given("startedAt", run.startedAt, timestampFromDate),
    ...given("finishedAt", run.finishedAt, timestampFromDate),
    ...given("accounts", run.accounts, same),
  };
}

/** What was done with a connection. */
export function auditEntryMessage(entry: ConnectionAuditEntry): MessageInitShape<typeof ConnectionAuditEntrySchema> {
  const { action, outcome, at, durationMs, actor } = entry;
  return { action, outcome, at: timestampFromDate(at), durationMs, actor };
}

/** How old the statistics may be that an operator is told; more where there is much to count. */
export const statisticsAgeMsMax = 5_000;

/** Counts and ages. */
export function statisticsMessage(told: Snapshot<Statistics>): MessageInitShape<typeof ConnectorStatisticsSchema> {
  const { connections, refreshes, syncRuns, webhooks, durations, ...numbers } = told.numbers;
  return {
    at: timestampFromDate(told.at),
    connections: [...connections],
    refreshes: [...refreshes],
    syncRuns: [...syncRuns],
    webhooks: webhooks.map(({ connector, accepted, repeated, rejected, queued, dead }) => ({
      ...{ connector, accepted, repeated, rejected, queued, dead },
    })),
    durations: [...durations],
    ...numbers,
  };
}

/** An account for the wallet, exact. */
export function providerAccountMessage(found: {
  connection: Connection;
  account: ProviderAccount;
}): MessageInitShape<typeof ProviderAccountSchema> {
  const { connectionId, connector, institutionId, institutionName } = found.connection;
  const { accountId, accountType, displayName, maskedNumber, currency, balanceMinor } = found.account;
  return {
    ...{ connectionId, connector, institutionId, institutionName },
    ...{ accountId, accountType, displayName, maskedNumber, currency },
    ...given("balanceMinor", balanceMinor, same),
  };
}

/** A connection that could not be read, in the word REST clients know. */
export function providerAccountsErrorMessage(failed: {
  connection: Connection;
  reason: string;
}): MessageInitShape<typeof ProviderAccountsErrorSchema> {
  const { connectionId, connector, institutionId, institutionName } = failed.connection;
  const entry = credentialErrors[failed.reason]?.error;
  const error = typeof entry === "string" ? entry : "provider_unavailable";
  return { connectionId, connector, institutionId, institutionName, error };
}
