import { toMajorNumber } from "../../platform/money/amount.ts";
import { type Currency, parseCurrency } from "../../platform/money/currency.ts";
import { dayMs, dayOf } from "../kit/domain/calendar.ts";
import { derivedHex } from "../kit/domain/derived-id.ts";
import { balanceAt, withEntries } from "../kit/domain/statement.ts";
import type { Account } from "./domain/login.ts";
import { type BankAccount, bankAccount, cardLimitMinor, findPerson } from "./domain/people.ts";
import { type Entry, type Statement, statements } from "./domain/town.ts";
import type { PostedStore } from "./storage/posted-store.ts";

/** The currency of every account here. */
export const usd: Currency = parseCurrency("USD");

/** Reads accounts and transactions as of each account's last aggregation. */
export interface AccountDesk {
  /** The account as the API tells it. */
  tell(account: Account): Promise<object>;
  /** Transactions of an account within a time, newest first. Both ends included. */
  transactions(account: Account, range: TransactionRange): Promise<readonly TransactionView[]>;
  /** Keys of the newest posted transactions. */
  newestKeys(account: Account, count: number): Promise<readonly string[]>;
}

/** Which transactions are wanted. */
export interface TransactionRange {
  readonly from: Date;
  readonly to: Date;
  readonly includePending: boolean;
}

/** A transaction as the API tells it. */
export type TransactionView = ReturnType<typeof transactionView>;

/** Makes the desk. */
export function createAccountDesk(posted: PostedStore): AccountDesk {
  const statementOf = async (account: Account): Promise<Statement> => {
    const asOf = account.aggregatedAt ?? account.createdAt;
    return withEntries(statements.until(atBank(account), dayOf(asOf)), await posted.list(account.accountId));
  };
  return {
    async tell(account) {
      return { ...accountView(account), ...balanceView(account, await statementOf(account)) };
    },
    async transactions(account, range) {
      const asOf = account.aggregatedAt;
      if (asOf === null) return [];
      const shadows = await posted.shadows(account.accountId);
      const oldest = new Date(account.createdAt.getTime() - account.historyDays * dayMs);
      const { entries } = await statementOf(account);
      return entries
        .filter((entry) => entry.at <= asOf && entry.at >= oldest && entry.at >= range.from && entry.at <= range.to)
        .filter((entry) => range.includePending || entry.bookedAt <= asOf)
        .map((entry) => transactionView(account, entry, { asOf, isShadow: shadows.has(entry.key) }))
        .sort((one, other) => other.transactionDate - one.transactionDate || other.id - one.id);
    },
    async newestKeys(account, count) {
      const asOf = account.aggregatedAt ?? account.createdAt;
      const { entries } = await statementOf(account);
      return entries
        .filter((entry) => entry.bookedAt <= asOf)
        .slice(-count)
        .map((entry) => entry.key);
    },
  };
}

/** The account as its bank knows it. */
function atBank(account: Account): BankAccount {
  const { institutionId, username } = account.login;
  const person = findPerson(username);
  if (person === undefined) throw new Error(`nobody here is called ${username}`);
  return bankAccount(institutionId, person, account.kind);
}

/** What is known of an account without asking for its balance. */
export function accountView(account: Account) {
  const { login, statusCode, aggregatedAt, attemptedAt } = account;
  const { name, type, number } = atBank(account);
  const last4 = number.slice(-4);
  return {
    id: String(account.accountId),
    number: account.kind === "card" ? last4 : number,
    accountNumberDisplay: last4,
    realAccountNumberLast4: last4,
    name,
    accountNickname: name,
    type,
    ...(statusCode !== null && { aggregationStatusCode: statusCode }),
    status: "active",
    customerId: String(login.customerId),
    institutionId: String(login.institutionId),
    ...(aggregatedAt !== null && {
      balanceDate: seconds(aggregatedAt),
      aggregationSuccessDate: seconds(aggregatedAt),
      lastUpdatedDate: seconds(aggregatedAt),
    }),
    ...(attemptedAt !== null && { aggregationAttemptDate: seconds(attemptedAt) }),
    createdDate: seconds(account.createdAt),
    currency: usd,
    institutionLoginId: numeric(login.loginId),
    ...authorizationView(account),
    marketSegment: "personal",
  };
}

function authorizationView({ login }: Account) {
  if (login.authorizationEndsAt === null) return { authorizationExpires: false };
  return {
    authorizationExpires: true,
    authorizationStartDate: seconds(login.authorizedAt),
    authorizationEndDate: seconds(login.authorizationEndsAt),
  };
}

function balanceView(account: Account, statement: Statement) {
  if (account.aggregatedAt === null) return {};
  const { booked, all } = balanceAt(statement, account.aggregatedAt);
  if (account.kind !== "card") {
    return { balance: major(booked), detail: { availableBalanceAmount: major(all) } };
  }
  const available = { creditAvailableAmount: major(cardLimitMinor - all), creditMaxAmount: major(cardLimitMinor) };
  return { balance: major(booked), detail: available };
}

/**
 * Deposits are above zero, withdrawals below; on a card it is the other way round: what it owes more is above. A pending
 * transaction comes back under another id once it is posted.
 */
function transactionView(account: Account, entry: Entry, known: { asOf: Date; isShadow: boolean }) {
  const isPending = entry.bookedAt > known.asOf;
  const id = numericId(entry.key, isPending ? "pending" : "posted");
  return {
    id,
    amount: major(entry.minor),
    uniqueTransactionId: `${account.accountId}-${id}`,
    accountId: numeric(account.accountId),
    customerId: numeric(account.login.customerId),
    status: known.isShadow ? "shadow" : isPending ? "pending" : "active",
    description: entry.description,
    memo: entry.merchant ?? "",
    type: entry.category.type,
    transactionDate: seconds(entry.at),
    ...(!isPending && { postedDate: seconds(entry.bookedAt) }),
    createdDate: Math.max(seconds(entry.at), seconds(account.createdAt)),
    categorization: {
      normalizedPayeeName: entry.merchant ?? entry.description,
      category: entry.category.category,
      bestRepresentation: entry.description,
      country: "USA",
    },
  };
}

/** A moment in Unix seconds. */
export function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1_000);
}

/** An id as the API's JSON has it; ids here stay far below 2^53. */
export function numeric(id: bigint): number {
  return Number(id);
}

/** A number of 52 bits that stands for these words. */
function numericId(...words: readonly string[]): number {
  return Number.parseInt(derivedHex(13, ...words), 16);
}

function major(minor: bigint): number {
  return toMajorNumber(minor, usd);
}
