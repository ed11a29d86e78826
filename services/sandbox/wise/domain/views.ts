import { toMajorNumber } from "../../../platform/money/amount.ts";
import type { Currency } from "../../../platform/money/currency.ts";
import { derivedHex } from "../../kit/domain/derived-id.ts";
import { balanceAt } from "../../kit/domain/statement.ts";
import type { Interval } from "./interval.ts";
import { type Balance, openedAt, type Person, type Profile } from "./people.ts";
import type { Entry, LineKind, Statement } from "./town.ts";

/** A profile as in `/v2/profiles`. */
export function profileView(person: Person, profile: Profile) {
  const { firstName, lastName } = person;
  const shared = {
    id: Number(profile.profileId),
    publicId: profile.publicId,
    userId: Number(person.userId),
    type: profile.type,
    email: person.email,
    createdAt: openedAt,
    updatedAt: openedAt,
    obfuscated: false,
    currentState: "VISIBLE",
    fullName: profile.name,
  };
  if (profile.type === "BUSINESS") return { ...shared, businessName: profile.name, registrationNumber: "12144939" };
  return { ...shared, firstName, lastName, dateOfBirth: "1987-07-01", phoneNumber: "+447700900321" };
}

/** A balance as in `/v4/profiles/{id}/balances`: card purchases that are not booked are reserved. */
export function balanceView(balance: Balance, statement: Statement, now: Date) {
  const { booked, all } = balanceAt(statement, now);
  const reserved = booked > all ? booked - all : 0n;
  const money = moneyIn(balance.currency);
  return {
    id: Number(balance.balanceId),
    currency: balance.currency,
    type: balance.type,
    name: balance.name,
    icon: null,
    investmentState: "NOT_INVESTED",
    amount: money(booked - reserved),
    reservedAmount: money(reserved),
    cashAmount: money(booked),
    totalWorth: money(booked),
    creationTime: openedAt,
    modificationTime: lastChange(statement, now).toISOString(),
    visible: true,
  };
}

function lastChange(statement: Statement, now: Date): Date {
  return statement.entries.findLast((entry) => entry.bookedAt <= now)?.bookedAt ?? new Date(openedAt);
}

/** A statement: booked lines of the interval, the newest first, and what was there at its end. */
export function statementView(holder: { person: Person; profile: Profile }, balance: Balance, asked: StatementAsked) {
  const money = moneyIn(balance.currency);
  let running = asked.statement.openingMinor;
  const transactions = [];
  for (const entry of asked.statement.entries) {
    if (entry.bookedAt > asked.now || entry.bookedAt > asked.interval.end) break;
    running += entry.minor;
    if (entry.bookedAt >= asked.interval.start) transactions.push(lineView(entry, money, running));
  }
  const { start, end } = asked.interval;
  return {
    accountHolder: holderView(holder),
    issuer: {
      name: "Wise Sandbox",
      firstLine: "1 Made-up Street",
      city: "London",
      postCode: "E1 6JJ",
      country: "United Kingdom",
    },
    bankDetails: null,
    transactions: transactions.reverse(),
    endOfStatementBalance: money(running),
    query: {
      intervalStart: start.toISOString(),
      intervalEnd: end.toISOString(),
      type: asked.type,
      currency: balance.currency,
      profileId: Number(balance.profileId),
      accountId: Number(balance.balanceId),
    },
  };
}

/** What a statement is made from. */
export interface StatementAsked {
  readonly statement: Statement;
  readonly interval: Interval;
  readonly type: "COMPACT" | "FLAT";
  readonly now: Date;
}

function holderView({ person, profile }: { person: Person; profile: Profile }) {
  const { country, firstName, lastName } = person;
  return {
    type: profile.type,
    address: {
      addressFirstLine: "12 Harbour Row",
      city: country.city,
      postCode: "",
      stateCode: "",
      countryName: country.name,
    },
    ...(profile.type === "BUSINESS" ? { businessName: profile.name } : { firstName, lastName }),
  };
}

function lineView(entry: Entry, money: (minor: bigint) => Money, running: bigint) {
  const { category } = entry;
  return {
    type: entry.minor < 0n ? "DEBIT" : "CREDIT",
    date: entry.bookedAt.toISOString(),
    amount: money(entry.minor),
    totalFees: money(0n),
    details: {
      type: category.kind,
      description: descriptionOf(entry, money),
      ...(category.kind === "CARD" && {
        amount: money(entry.minor < 0n ? -entry.minor : entry.minor),
        category: category.category,
        merchant: { name: entry.merchant ?? entry.description, city: "", country: "", category: category.category },
      }),
    },
    exchangeDetails: null,
    runningBalance: money(running),
    referenceNumber: referenceOf(entry),
  };
}

function descriptionOf(entry: Entry, money: (minor: bigint) => Money): string {
  if (entry.category.kind !== "CARD") return entry.description;
  const spent = money(entry.minor < 0n ? -entry.minor : entry.minor);
  return `Card transaction of ${spent.value.toFixed(2)} ${spent.currency} issued by ${entry.merchant ?? entry.description}`;
}

const prefixes: Readonly<Record<LineKind, string>> = {
  CARD: "CARD",
  TRANSFER: "TRANSFER",
  DEPOSIT: "TRANSFER",
  DIRECT_DEBIT: "DIRECT_DEBIT_TRANSACTION",
  BALANCE_INTEREST: "BALANCE",
  INCOMING_CROSS_BALANCE: "BALANCE",
  OUTGOING_CROSS_BALANCE: "BALANCE",
};

/** Wise's number of a line, such as `CARD-249281`. */
export function referenceOf(entry: Pick<Entry, "key" | "category">): string {
  return `${prefixes[entry.category.kind]}-${numberOfLine(entry.key)}`;
}

/** A transfer as in `/v1/transfers`. */
export function transferView(holder: { person: Person; profile: Profile }, balance: Balance, entry: Entry) {
  const money = moneyIn(balance.currency);
  const sent = money(-entry.minor).value;
  return {
    id: Number(numberOfLine(entry.key)),
    user: Number(holder.person.userId),
    targetAccount: Number(numberOfLine(`${entry.key}/recipient`) % 100_000_000n),
    sourceAccount: null,
    quote: null,
    quoteUuid: null,
    status: "outgoing_payment_sent",
    reference: "",
    rate: 1,
    created: entry.at.toISOString().slice(0, 19).replace("T", " "),
    business: holder.profile.type === "BUSINESS" ? Number(holder.profile.profileId) : null,
    transferRequest: null,
    details: { reference: "" },
    hasActiveIssues: false,
    sourceCurrency: balance.currency,
    sourceValue: sent,
    targetCurrency: balance.currency,
    targetValue: sent,
    customerTransactionId: null,
  };
}

function numberOfLine(key: string): bigint {
  return BigInt(`0x${derivedHex(13, "line", key)}`) % 1_000_000_000_000n;
}

interface Money {
  readonly value: number;
  readonly currency: Currency;
}

function moneyIn(currency: Currency): (minor: bigint) => Money {
  return (minor) => ({ value: toMajorNumber(minor, currency), currency });
}
