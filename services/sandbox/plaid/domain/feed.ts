import { addDays, type Day } from "../../kit/domain/calendar.ts";
import { derivedId } from "./derived-id.ts";
import type { Person } from "./people.ts";
import { type Entry, entriesOfDays, freshPurchase } from "./statement.ts";

/** A transaction of one item. */
export interface FeedTransaction {
  readonly id: string;
  readonly entry: Entry;
  /** As it stands now; a restaurant posts with the tip. */
  readonly minor: bigint;
  /** The day it posts, or is expected to. */
  readonly postedDay: Day;
  readonly pending: boolean;
  readonly pendingId: string | null;
}

/** Whose transactions they are. */
export interface FeedOwner {
  readonly itemId: string;
  readonly person: Person;
  readonly accountKeys: readonly string[];
}

const purchasesPerRefresh = 2;

/** The transactions of some days, as a bank shows them on `today`: purchases of the last two days are still pending. */
export function feedOfDays(owner: FeedOwner, first: Day, last: Day, today: Day): readonly FeedTransaction[] {
  const entries = accountsOf(owner).flatMap((account) => entriesOfDays(owner.person, account, { first, last }));
  // Day by day, as banks send them.
  const byDay = entries.toSorted((one, other) => one.day.localeCompare(other.day));
  return byDay.map((each) => feedEntry(owner, each, today));
}

/** What a refresh finds: new purchases of today. The number of the refresh makes them different each time. */
export function feedOfRefresh(owner: FeedOwner, today: Day, refreshNumber: number): readonly FeedTransaction[] {
  return accountsOf(owner)
    .filter((account) => account.kind === "checking" || account.kind === "credit card")
    .slice(0, purchasesPerRefresh)
    .map((account) => feedEntry(owner, freshPurchase(owner.person, account, today, `refresh-${refreshNumber}`), today));
}

/** What a pending purchase becomes: another transaction that names it. */
export function postedOf(
  itemId: string,
  pending: { id: string; entryKey: string; minor: bigint; detailed: string },
): { id: string; minor: bigint; pendingId: string } {
  return {
    id: derivedId(itemId, pending.entryKey, "posted"),
    minor: withTip(pending.minor, pending.detailed),
    pendingId: pending.id,
  };
}

/** The id of an account within an item: linking again gives other ids. */
export function accountIdOf(itemId: string, accountKey: string): string {
  return derivedId(itemId, "account", accountKey);
}

function accountsOf(owner: FeedOwner) {
  return owner.person.accounts.filter((account) => owner.accountKeys.includes(account.key));
}

function feedEntry(owner: FeedOwner, entry: Entry, today: Day): FeedTransaction {
  const pending = entry.waits && entry.day >= addDays(today, -1);
  const id = derivedId(owner.itemId, entry.key, pending ? "pending" : "posted");
  const postedDay = entry.waits ? addDays(entry.day, pending ? 2 : 1) : entry.day;
  const minor = pending ? entry.minor : withTip(entry.minor, entry.detailed);
  return { id, entry, minor, postedDay, pending, pendingId: null };
}

function withTip(minor: bigint, detailed: string): bigint {
  return detailed === "FOOD_AND_DRINK_RESTAURANT" ? minor + (minor * 15n) / 100n : minor;
}
