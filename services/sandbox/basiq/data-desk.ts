import { toMajorText } from "../../platform/money/amount.ts";
import { dayMs, dayOf } from "../kit/domain/calendar.ts";
import type { AccountKind } from "../kit/domain/household.ts";
import { balanceAt, withEntries } from "../kit/domain/statement.ts";
import {
  type AccountFacts,
  accountFacts,
  accountNumber,
  derivedUuid,
  findInstitution,
  findPerson,
  type Institution,
  type Person,
  statementAccount,
} from "./domain/banks.ts";
import type { Connection } from "./domain/records.ts";
import { type Entry, type Statement, statements } from "./domain/town.ts";
import { timeText } from "./domain/views.ts";
import type { ConnectionStore } from "./storage/connection-store.ts";

const historyMs = 365 * dayMs;

/** An account as the API tells of it. */
export type AccountView = ReturnType<typeof accountView>;
/** A transaction as the API tells of it. */
export type TransactionView = ReturnType<typeof transactionView>;

/** What was fetched from banks, as it was when it was fetched. */
export interface DataDesk {
  accounts(connection: Connection): Promise<readonly AccountView[]>;
  /** By account; of each the pending ones, then the posted ones, newest first. */
  transactions(connection: Connection): Promise<readonly TransactionView[]>;
}

interface Held {
  readonly origin: string;
  readonly connection: Connection;
  readonly institution: Institution;
  readonly person: Person;
  readonly facts: AccountFacts;
  readonly statement: Statement;
}

/** Opens the desk. `origin` stands in the links. */
export function createDataDesk(origin: string, connections: Pick<ConnectionStore, "listAdded">): DataDesk {
  return {
    async accounts(connection) {
      const { accountsAt, fetchedAt } = connection;
      if (accountsAt === null) return [];
      const shownAt = fetchedAt !== null && fetchedAt > accountsAt ? fetchedAt : accountsAt;
      return (await holdings(origin, connections, connection, shownAt)).map((held) => accountView(held, shownAt));
    },
    async transactions(connection) {
      const { fetchedAt } = connection;
      if (fetchedAt === null) return [];
      const all = await holdings(origin, connections, connection, fetchedAt);
      return all.flatMap((held) => transactionsOf(held, fetchedAt));
    },
  };
}

/** The id of a connection's account of a kind. */
export function accountIdOf(connectionId: string, kind: AccountKind): string {
  return derivedUuid("account", connectionId, kind);
}

async function holdings(
  origin: string,
  connections: Pick<ConnectionStore, "listAdded">,
  connection: Connection,
  at: Date,
): Promise<readonly Held[]> {
  const institution = findInstitution(connection.institutionId);
  const person = findPerson(connection.username);
  // A bank or person of an earlier release of the sandbox.
  if (institution === undefined || person === undefined) return [];
  const shared = accountFacts.filter((each) => connection.accountKinds.includes(each.kind));
  return await Promise.all(
    shared.map(async (facts) => {
      const regular = statements.until(statementAccount(institution, person, facts.kind), dayOf(at));
      const statement = withEntries(regular, await connections.listAdded(connection.connectionId, facts.kind));
      return { origin, connection, institution, person, facts, statement };
    }),
  );
}

function accountView({ origin, connection, institution, person, facts, statement }: Held, at: Date) {
  const { userId, connectionId } = connection;
  const { kind, limitMinor } = facts;
  const id = accountIdOf(connectionId, kind);
  const { booked, all } = balanceAt(statement, at);
  const isCard = kind === "card";
  return {
    type: "account",
    id,
    accountHolder: person.fullName.toUpperCase(),
    accountNo: accountNumber(institution, person, kind),
    accountOwnership: "individual",
    isOwned: true,
    name: facts.name,
    // What a card owes is below zero.
    balance: toMajorText(isCard ? -booked : booked, institution.currency),
    availableFunds: toMajorText(isCard ? limitMinor - all : all, institution.currency),
    creditLimit: isCard ? toMajorText(limitMinor, institution.currency) : null,
    currency: institution.currency,
    class: { type: facts.className, product: facts.product },
    connection: connectionId,
    institution: institution.id,
    lastUpdated: timeText(at),
    status: "available",
    transactionIntervals: [{ from: dayOf(new Date(at.getTime() - historyMs)), to: dayOf(at) }],
    links: {
      self: `${origin}/users/${userId}/accounts/${id}`,
      institution: `${origin}/institutions/${institution.id}`,
      transactions: `${origin}/users/${userId}/transactions?filter=account.id.eq('${id}')`,
    },
  };
}

function transactionsOf(held: Held, fetchedAt: Date): TransactionView[] {
  const { statement, facts } = held;
  const from = new Date(fetchedAt.getTime() - historyMs);
  const sign = facts.kind === "card" ? -1n : 1n;
  const posted: TransactionView[] = [];
  let balance = statement.openingMinor;
  for (const entry of statement.entries.filter((each) => each.bookedAt <= fetchedAt)) {
    balance += entry.minor;
    if (entry.bookedAt >= from) posted.push(transactionView(held, entry, sign * balance));
  }
  const pending = statement.entries.filter((each) => each.at <= fetchedAt && each.bookedAt > fetchedAt);
  return [...pending.map((each) => transactionView(held, each, undefined)), ...posted].sort(pendingThenNewest);
}

function pendingThenNewest(one: TransactionView, other: TransactionView): number {
  if (one.status !== other.status) return one.status === "pending" ? -1 : 1;
  const [left, right] = [one.postDate ?? one.transactionDate, other.postDate ?? other.transactionDate];
  return left < right ? 1 : left > right ? -1 : 0;
}

/** `balance` undefined: it is pending. Such a one gets a new id whenever it is fetched. */
function transactionView(held: Held, entry: Entry, balance: bigint | undefined) {
  const { origin, connection, institution, facts } = held;
  const { userId, connectionId, refreshes } = connection;
  const isPending = balance === undefined;
  const id = derivedUuid("transaction", connectionId, entry.key, isPending ? String(refreshes) : "posted");
  const account = accountIdOf(connectionId, facts.kind);
  const minor = facts.kind === "card" ? -entry.minor : entry.minor;
  return {
    type: "transaction",
    id,
    status: isPending ? "pending" : "posted",
    description: entry.description,
    amount: toMajorText(minor, institution.currency),
    currency: institution.currency,
    account,
    balance: isPending ? "" : toMajorText(balance, institution.currency),
    direction: minor < 0n ? "debit" : "credit",
    class: entry.category.class,
    institution: institution.id,
    connection: connectionId,
    transactionDate: timeText(entry.at),
    postDate: isPending ? null : timeText(entry.bookedAt),
    subClass: entry.category.subClass,
    enrich: entry.merchant === null ? null : { merchant: { businessName: entry.merchant } },
    links: {
      self: `${origin}/users/${userId}/transactions/${id}`,
      account: `${origin}/users/${userId}/accounts/${account}`,
      institution: `${origin}/institutions/${institution.id}`,
    },
  };
}
