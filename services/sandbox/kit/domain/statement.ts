import { type Day, dayMs, dayOf, daysBetween } from "./calendar.ts";
import type { Bill, Item, Shop, StatementAccount, Town } from "./household.ts";
import { type SeededRandom, seededRandom } from "./seeded-random.ts";

/** One line of a statement. */
export interface Entry<Category> {
  /** The same whenever the same line is asked for. */
  readonly key: string;
  /** When it happened. */
  readonly at: Date;
  /** When it is booked: card purchases wait a day and two hours as pending. */
  readonly bookedAt: Date;
  /** What the balance grows by, minor units. The balance of a card is what is owed, so a purchase is above zero there. */
  readonly minor: bigint;
  readonly description: string;
  readonly merchant: string | null;
  readonly category: Category;
}

/** A line beside the regular statement, as it is stored. */
export interface PostedLine {
  readonly posted_id: string;
  readonly at: Date;
  /** As {@link Entry.minor}. */
  readonly minor: bigint;
  readonly description: string;
  /** It waits as purchases do. */
  readonly pending: boolean;
}

/** How many lines beside its statement an account may have. */
export const postedLinesMax = 10_000;

/** The key of a line beside the statement. */
export function postedKey(postedId: string): string {
  return `posted/${postedId}`;
}

/** It as an entry. */
export function postedEntry<Category>(
  line: PostedLine,
  more: { readonly category: Category; readonly merchant?: string | null },
): Entry<Category> {
  const { posted_id, at, minor, description, pending } = line;
  const bookedAt = pending ? new Date(at.getTime() + pendingMs) : at;
  return { key: postedKey(posted_id), at, bookedAt, minor, description, merchant: null, ...more };
}

/** A statement: what the account held before its first line, and its lines by booking time. */
export interface Statement<Category> {
  readonly openingMinor: bigint;
  readonly entries: readonly Entry<Category>[];
}

/** Makes statements of one town's people. */
export interface StatementMaker<Category> {
  /** The statement up to a day, lines of that whole day included; the same on every machine. */
  until(account: StatementAccount, last: Day): Statement<Category>;
}

// Balances are sums from this day on, so that each stays what it was when a day is added.
const firstDay: Day = "2024-01-01";
/** How long a card purchase is pending. */
export const pendingMs = 26 * 60 * 60 * 1000;
const hourMs = 60 * 60 * 1000;
const statementsKeptMax = 200;

const opening = { current: 164_215n, savings: 812_000n, card: 0n } as const;
const savedMinor = 20_000n;
const sweepAboveMinor = 320_000n;
const keptMinor = 150_000n;
const lowMinor = 15_000n;
const rescueMinor = 60_000n;
const quietHour = 3;

type Line<Category> = Omit<Entry<Category>, "key" | "at" | "bookedAt"> & {
  readonly hour: number;
  readonly waits: boolean;
};

/** A maker for a town. It remembers statements: one takes tens of milliseconds to make and is the same all day. */
export function createStatementMaker<Category>(town: Town<Category>): StatementMaker<Category> {
  const known = new Map<string, Statement<Category>>();
  return {
    until(account, last) {
      const key = `${account.accountId}/${last}`;
      const found = known.get(key);
      if (found !== undefined) return found;
      const made = statementUntil(town, account, last);
      if (known.size >= statementsKeptMax) known.clear();
      known.set(key, made);
      return made;
    },
  };
}

/** A statement with further lines in their places. */
export function withEntries<Category>(
  statement: Statement<Category>,
  further: readonly Entry<Category>[],
): Statement<Category> {
  return further.length === 0 ? statement : { ...statement, entries: byBooking([...statement.entries, ...further]) };
}

/** The balance of an account, or what a card owes: booked lines alone, and with what is pending. */
export function balanceAt<Category>(statement: Statement<Category>, now: Date): { booked: bigint; all: bigint } {
  const balance = { booked: statement.openingMinor, all: statement.openingMinor };
  for (const entry of statement.entries) {
    if (entry.at <= now) balance.all += entry.minor;
    if (entry.bookedAt <= now) balance.booked += entry.minor;
  }
  return balance;
}

function statementUntil<Category>(town: Town<Category>, account: StatementAccount, last: Day): Statement<Category> {
  const entries: Entry<Category>[] = [];
  const cardPayments = account.cardId === null ? new Map<Day, bigint>() : paymentsOf(town, account.cardId, last);
  let balance: bigint = opening[account.kind];
  for (const day of daysBetween(firstDay, last)) {
    const random = seededRandom(`${account.accountId}/${day}`);
    const lines = linesOf(town, account, { day, balance, cardPayment: cardPayments.get(day) ?? 0n }, random);
    lines.forEach((line, index) => {
      balance += line.minor;
      entries.push(entryOf(account, day, index, line));
    });
  }
  return { openingMinor: opening[account.kind], entries: byBooking(entries) };
}

function byBooking<Category>(entries: readonly Entry<Category>[]): readonly Entry<Category>[] {
  return [...entries].sort((one, other) => one.bookedAt.getTime() - other.bookedAt.getTime());
}

function entryOf<Category>(account: StatementAccount, day: Day, index: number, line: Line<Category>): Entry<Category> {
  const { hour, waits, ...rest } = line;
  const at = new Date(Date.parse(day) + hour * hourMs);
  const bookedAt = waits ? new Date(at.getTime() + pendingMs) : at;
  return { ...rest, key: `${account.accountId}/${day}/${index}`, at, bookedAt };
}

interface DaySituation {
  readonly day: Day;
  readonly balance: bigint;
  /** What the payment of the card takes that day. */
  readonly cardPayment: bigint;
}

function linesOf<Category>(
  town: Town<Category>,
  account: StatementAccount,
  situation: DaySituation,
  random: SeededRandom,
): Line<Category>[] {
  switch (account.kind) {
    case "current":
      return currentLines(town, account, situation, random);
    case "savings":
      return savingsLines(town, situation);
    case "card":
      return cardLines(town, situation, random);
    default: {
      const impossible: never = account.kind;
      throw new Error(`unreachable kind ${String(impossible)}`);
    }
  }
}

function currentLines<Category>(
  town: Town<Category>,
  account: StatementAccount,
  { day, balance, cardPayment }: DaySituation,
  random: SeededRandom,
): Line<Category>[] {
  const lines: Line<Category>[] = [];
  const date = Number.parseInt(day.slice(8), 10);
  if (date === 1) lines.push(plain(town.rent, -account.rentMinor));
  if (date === 3) lines.push(plain(town.savedOut, -savedMinor));
  for (const bill of town.bills) if (bill.day === date) lines.push(plain(bill, -amountOf(bill, random)));
  if (cardPayment > 0n) lines.push(plain(town.cardPaidOut, -cardPayment));
  if (date === 25) lines.push({ ...plain(town.pay, account.payMinor), hour: 1 });
  if (date === 28 && balance > sweepAboveMinor) lines.push(plain(town.reserveOut, keptMinor - balance));
  if (balance < lowMinor) lines.push(plain(town.reserveIn, rescueMinor));
  if (random.next() < 0.55) lines.push(purchase(random, town.everyday, -1n));
  if (random.next() < 0.35) lines.push(purchase(random, town.everyday, -1n));
  return lines;
}

function savingsLines<Category>(town: Town<Category>, { day, balance }: DaySituation): Line<Category>[] {
  if (day.endsWith("-03")) return [plain(town.savedIn, savedMinor)];
  // 3 % a year, paid monthly.
  if (day.endsWith("-01")) return [plain(town.interest, (balance * 3n) / 1_200n)];
  return [];
}

function cardLines<Category>(
  town: Town<Category>,
  { day, balance }: DaySituation,
  random: SeededRandom,
): Line<Category>[] {
  const lines: Line<Category>[] = [];
  if (day.endsWith("-18") && balance > 0n) lines.push(plain(town.cardPaidIn, -balance));
  if (random.next() < 0.3) lines.push(purchase(random, town.wishes, 1n));
  return lines;
}

function paymentsOf<Category>(town: Town<Category>, cardId: string, last: Day): Map<Day, bigint> {
  const card = { accountId: cardId, kind: "card", payMinor: 0n, rentMinor: 0n, cardId: null } as const;
  const payments = statementUntil(town, card, last).entries.filter((entry) => entry.minor < 0n);
  return new Map(payments.map((entry) => [dayOf(entry.at), -entry.minor]));
}

function amountOf(from: Pick<Bill<unknown> & Shop<unknown>, "min" | "max">, random: SeededRandom): bigint {
  return BigInt(from.min === from.max ? from.min : random.between(from.min, from.max));
}

function purchase<Category>(
  random: SeededRandom,
  shops: readonly [Shop<Category>, ...Shop<Category>[]],
  sign: bigint,
): Line<Category> {
  const shop = random.pick(shops);
  return {
    minor: sign * amountOf(shop, random),
    description: shop.merchant.toUpperCase(),
    merchant: shop.merchant,
    category: shop.category,
    hour: random.between(8 * 60, 21 * 60) / 60,
    waits: true,
  };
}

function plain<Category>(item: Item<Category>, minor: bigint): Line<Category> {
  const { description, category, merchant = null } = item;
  return { minor, description, merchant, category, hour: quietHour, waits: false };
}

/** How far back banks show a statement. */
export const historyMs = 183 * dayMs;
