import { toMajorNumber } from "../../../platform/money/amount.ts";
import { type Currency, parseCurrency } from "../../../platform/money/currency.ts";
import { derivedHex } from "../../kit/domain/derived-id.ts";
import { balanceAt, historyMs } from "../../kit/domain/statement.ts";
import { type Account, type Bank, ibanOf, type Person } from "./banks.ts";
import type { Entry, Statement } from "./town.ts";

const gbp: Currency = parseCurrency("GBP");

/** A provider as it stands beside an account. */
export function providerView(bank: Bank, origin: string) {
  return {
    display_name: bank.name,
    logo_uri: `${origin}/logos/${bank.providerId}.svg`,
    provider_id: bank.providerId,
  };
}

/** An account as in `/accounts`. */
export function accountView(account: Account, origin: string, now: Date) {
  return {
    update_timestamp: now.toISOString(),
    account_id: account.accountId,
    account_type: account.kind === "savings" ? "SAVINGS" : "TRANSACTION",
    display_name: account.displayName,
    currency: "GBP",
    account_number: {
      iban: ibanOf(account),
      number: account.number,
      sort_code: account.bank.sortCode,
      swift_bic: account.bank.bic,
    },
    provider: providerView(account.bank, origin),
  };
}

/** A card as in `/cards`. */
export function cardView(account: Account, origin: string, now: Date) {
  return {
    account_id: account.accountId,
    card_network: "VISA",
    card_type: "CREDIT",
    currency: "GBP",
    display_name: account.displayName,
    partial_card_number: account.number,
    name_on_card: account.person.fullName,
    update_timestamp: now.toISOString(),
    provider: providerView(account.bank, origin),
  };
}

/** A person as in `/info`. */
export function personView(person: Person, now: Date) {
  return {
    update_timestamp: now.toISOString(),
    full_name: person.fullName,
    emails: [person.email],
    phones: [person.phone],
    addresses: [],
  };
}

/** The balance of an account or card: booked lines count, those pending only touch what is available. */
export function balanceView(account: Account, statement: Statement, now: Date) {
  const { booked, all } = balanceAt(statement, now);
  const shared = { currency: "GBP", current: major(booked), update_timestamp: now.toISOString() };
  if (account.kind !== "card") return { ...shared, available: major(all), overdraft: 0 };
  return { ...shared, available: major(account.limitMinor - all), credit_limit: major(account.limitMinor) };
}

/** Which lines are asked for; both ends included. */
export interface DateRange {
  readonly from: Date;
  readonly to: Date;
}

/** Booked lines, the newest first. */
export function transactionViews(account: Account, statement: Statement, range: DateRange, now: Date) {
  const oldest = Math.max(range.from.getTime(), now.getTime() - historyMs);
  let running = statement.openingMinor;
  const views = [];
  for (const entry of statement.entries) {
    if (entry.bookedAt > now) continue;
    running += entry.minor;
    if (entry.bookedAt.getTime() < oldest || entry.bookedAt > range.to) continue;
    views.push({
      ...lineView(account, entry, "booked"),
      timestamp: entry.bookedAt.toISOString(),
      provider_transaction_id: derivedHex(32, "provider", entry.key),
      running_balance: { amount: major(running), currency: "GBP" },
    });
  }
  return views.reverse();
}

/** Lines that happened and are not booked, the newest first. Booked, they come back under another `transaction_id`. */
export function pendingViews(account: Account, statement: Statement, now: Date) {
  return statement.entries
    .filter((entry) => entry.at <= now && entry.bookedAt > now)
    .map((entry) => ({ ...lineView(account, entry, "pending"), timestamp: entry.at.toISOString() }))
    .reverse();
}

/** The id a line has while pending, and the one it has once booked. */
export function transactionId(entry: Pick<Entry, "key">, state: "pending" | "booked"): string {
  return derivedHex(32, state, entry.key);
}

function lineView(account: Account, entry: Entry, state: "pending" | "booked") {
  // What leaves an account is below zero; what a card owes more is above. Both are a DEBIT.
  const isDebit = account.kind === "card" ? entry.minor > 0n : entry.minor < 0n;
  return {
    transaction_id: transactionId(entry, state),
    normalised_provider_transaction_id: `txn-${derivedHex(32, "line", entry.key)}`,
    description: entry.description,
    transaction_type: isDebit ? "DEBIT" : "CREDIT",
    transaction_category: entry.category.category,
    transaction_classification: entry.category.classification,
    ...(entry.merchant === null ? {} : { merchant_name: entry.merchant }),
    amount: major(entry.minor),
    currency: "GBP",
    meta: { provider_transaction_category: entry.category.category === "PURCHASE" ? "DEB" : "TFR" },
  };
}

function major(minor: bigint): number {
  return toMajorNumber(minor, gbp);
}
