import { type Day, dayOf, daysBetween } from "../../kit/domain/calendar.ts";
import type { StatementAccount } from "../../kit/domain/household.ts";
import { seededRandom } from "../../kit/domain/seeded-random.ts";
import { createStatementMaker, type Entry as KitEntry } from "../../kit/domain/statement.ts";
import type { Person, PersonAccount } from "./people.ts";
import { type Category, town } from "./town.ts";

/** One line of a bank statement. */
export interface Entry extends Category {
  /** The same for the same person, account, day and place in it. */
  readonly key: string;
  readonly accountKey: string;
  readonly day: Day;
  /** Minor units; above zero leaves the account, as Plaid counts. */
  readonly minor: bigint;
  readonly name: string;
  readonly merchant: string | null;
  /** Card purchases wait as pending for a day or two; transfers, bills and pay do not. */
  readonly waits: boolean;
}

const statements = createStatementMaker(town);
const kindInTown = { checking: "current", savings: "savings", "credit card": "card" } as const;

/** The lines of one account of some days, the same whenever they are asked for. */
export function entriesOfDays(
  person: Person,
  account: PersonAccount,
  { first, last }: { first: Day; last: Day },
): readonly Entry[] {
  // Mostly there is nothing new, and a statement takes tens of milliseconds to make.
  if (first > last) return [];
  if (account.kind === "crypto exchange") return coinEntries(account, daysBetween(first, last));
  const inTown = accountInTown(person, account, kindInTown[account.kind]);
  const { entries } = statements.until(inTown, last);
  const within = entries.filter(({ at }) => dayOf(at) >= first && dayOf(at) <= last);
  return within.map((entry) => entryOf(account, entry));
}

/** A purchase that was not on the statement before: what a refresh finds. */
export function freshPurchase(person: Person, account: PersonAccount, day: Day, label: string): Entry {
  const random = seededRandom(`${person.username}/${account.key}/${day}/${label}`);
  const shop = random.pick(account.kind === "credit card" ? town.wishes : town.everyday);
  return {
    ...shop.category,
    key: `${account.key}/${day}/${label}`,
    accountKey: account.key,
    day,
    minor: BigInt(random.between(shop.min, shop.max)),
    name: shop.merchant.toUpperCase(),
    merchant: shop.merchant,
    waits: true,
  };
}

function accountInTown(person: Person, account: PersonAccount, kind: StatementAccount["kind"]): StatementAccount {
  const idOf = ({ key }: PersonAccount) => `${person.username}/${key}`;
  const card = person.accounts.find((each) => each.kind === "credit card");
  const paysCard = kind === "current" && card !== undefined;
  const { payMinor, rentMinor } = person;
  return { accountId: idOf(account), kind, payMinor, rentMinor, cardId: paysCard ? idOf(card) : null };
}

function entryOf(account: PersonAccount, entry: KitEntry<Category>): Entry {
  const { key, at, bookedAt, minor, description, merchant, category } = entry;
  return {
    ...category,
    key,
    accountKey: account.key,
    day: dayOf(at),
    // What a card owes grows by what leaves it; all else shrinks.
    minor: account.kind === "credit card" ? minor : -minor,
    name: description,
    merchant,
    waits: bookedAt > at,
  };
}

const isBuyingDay = (day: Day) => day.endsWith("-10");

function coinEntries(account: PersonAccount, days: readonly Day[]): Entry[] {
  return days.filter(isBuyingDay).map((day) => ({
    key: `${account.key}/${day}`,
    accountKey: account.key,
    day,
    minor: -2n,
    name: "Bitcoin Bought",
    merchant: null,
    primary: "TRANSFER_IN",
    detailed: "TRANSFER_IN_INVESTMENT_AND_RETIREMENT_FUNDS",
    channel: "other",
    waits: false,
  }));
}
