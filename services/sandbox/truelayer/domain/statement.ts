import { type Day, dayMs, dayOf, daysBetween } from "../../kit/domain/calendar.ts";
import { type SeededRandom, seededRandom } from "../../kit/domain/seeded-random.ts";
import type { Account, Person } from "./banks.ts";
import { accountsOf } from "./banks.ts";

/** TrueLayer's words for what a transaction is. */
export type Category =
  | "PURCHASE"
  | "DIRECT_DEBIT"
  | "STANDING_ORDER"
  | "TRANSFER"
  | "CREDIT"
  | "INTEREST"
  | "BILL_PAYMENT"
  | "OTHER";

/** One line of a statement. */
export interface Entry {
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
  readonly classification: readonly string[];
}

/** A statement: where it starts and its lines by booking time. */
export interface Statement {
  readonly openingMinor: bigint;
  readonly entries: readonly Entry[];
}

// Balances are sums from this day on, so that each stays what it was when a day is added.
const firstDay: Day = "2025-01-01";
const pendingMs = 26 * 60 * 60 * 1000;
const hourMs = 60 * 60 * 1000;

const opening = { current: 164_215n, savings: 812_000n, card: 0n } as const;
const savedMinor = 20_000n;
const sweepAboveMinor = 320_000n;
const keptMinor = 150_000n;
const lowMinor = 15_000n;
const rescueMinor = 60_000n;

type Line = Omit<Entry, "key" | "at" | "bookedAt"> & { readonly hour: number; readonly waits: boolean };

interface Shop {
  readonly merchant: string;
  readonly classification: readonly [string, string];
  readonly min: number;
  readonly max: number;
}

const everyday: readonly [Shop, ...Shop[]] = [
  { merchant: "Fernbank Foods", classification: ["Food & Dining", "Groceries"], min: 640, max: 8_450 },
  { merchant: "Corner Larder", classification: ["Food & Dining", "Groceries"], min: 180, max: 2_390 },
  { merchant: "Copper Kettle Coffee", classification: ["Food & Dining", "Coffee shops"], min: 260, max: 890 },
  { merchant: "The Plough & Sail", classification: ["Food & Dining", "Restaurants"], min: 1_150, max: 5_600 },
  { merchant: "Metroline Travel", classification: ["Auto & Transport", "Public transport"], min: 175, max: 1_290 },
];
const wishes: readonly [Shop, ...Shop[]] = [
  { merchant: "Moorland Outdoors", classification: ["Shopping", "Sporting Goods"], min: 1_800, max: 12_900 },
  { merchant: "Quill & Page Books", classification: ["Shopping", "Books"], min: 799, max: 4_200 },
  { merchant: "Harbour Lights Cinema", classification: ["Entertainment", "Movies & DVDs"], min: 950, max: 3_600 },
  { merchant: "Northgate Fuel", classification: ["Auto & Transport", "Gas & Fuel"], min: 3_200, max: 7_800 },
];

/** The statement of an account up to a day, lines of that whole day included; the same on every machine. */
export function statementUntil(account: Account, last: Day): Statement {
  const entries: Entry[] = [];
  const cardPayments = account.kind === "current" ? paymentsOf(cardBeside(account), last) : new Map<Day, bigint>();
  let balance: bigint = opening[account.kind];
  for (const day of daysBetween(firstDay, last)) {
    const random = seededRandom(`${account.accountId}/${day}`);
    const lines = linesOf(account, { day, balance, cardPayment: cardPayments.get(day) ?? 0n }, random);
    lines.forEach((line, index) => {
      balance += line.minor;
      entries.push(entryOf(account, day, index, line));
    });
  }
  return { openingMinor: opening[account.kind], entries: byBooking(entries) };
}

/** A line the control API adds. */
export function postedEntry(posted: {
  readonly id: string;
  readonly at: Date;
  readonly minor: bigint;
  readonly description: string;
  readonly merchant: string | null;
  readonly category: Category;
  readonly pending: boolean;
}): Entry {
  const { id, pending, ...line } = posted;
  const bookedAt = pending ? new Date(posted.at.getTime() + pendingMs) : posted.at;
  return { ...line, key: `posted/${id}`, bookedAt, classification: [] };
}

/** A statement with further lines in their places. */
export function withEntries(statement: Statement, further: readonly Entry[]): Statement {
  return further.length === 0 ? statement : { ...statement, entries: byBooking([...statement.entries, ...further]) };
}

function byBooking(entries: readonly Entry[]): readonly Entry[] {
  return [...entries].sort((one, other) => one.bookedAt.getTime() - other.bookedAt.getTime());
}

function entryOf(account: Account, day: Day, index: number, line: Line): Entry {
  const { hour, waits, ...rest } = line;
  const at = new Date(Date.parse(day) + hour * hourMs);
  const bookedAt = waits ? new Date(at.getTime() + pendingMs) : at;
  return { ...rest, key: `${account.accountId}/${day}/${index}`, at, bookedAt };
}

interface DaySituation {
  readonly day: Day;
  readonly balance: bigint;
  /** What the direct debit of the card takes that day. */
  readonly cardPayment: bigint;
}

function linesOf(account: Account, situation: DaySituation, random: SeededRandom): Line[] {
  switch (account.kind) {
    case "current":
      return currentLines(account.person, situation, random);
    case "savings":
      return savingsLines(situation, random);
    case "card":
      return cardLines(situation, random);
    default: {
      const impossible: never = account.kind;
      throw new Error(`unreachable kind ${String(impossible)}`);
    }
  }
}

function currentLines(person: Person, { day, balance, cardPayment }: DaySituation, random: SeededRandom): Line[] {
  const lines: Line[] = [];
  const date = Number.parseInt(day.slice(8), 10);
  if (date === 1) lines.push(plain("STANDING ORDER RIVERSIDE LETTINGS", -person.rentMinor, "STANDING_ORDER"));
  if (date === 3) lines.push(plain("TRANSFER TO EASY SAVER", -savedMinor, "TRANSFER"));
  if (date === 5) lines.push(bill("BRIGHTWAVE BROADBAND", -3_400n));
  if (date === 9) lines.push(bill("PEAK & VALLEY ENERGY", -BigInt(random.between(6_800, 13_900))));
  if (date === 14) lines.push(bill("CITY COUNCIL TAX", -14_250n));
  if (cardPayment > 0n) lines.push(plain("CREDIT CARD PAYMENT", -cardPayment, "DIRECT_DEBIT"));
  if (date === 25) lines.push({ ...plain("MERIDIAN WORKS LTD SALARY", person.payMinor, "CREDIT"), hour: 1 });
  if (date === 28 && balance > sweepAboveMinor) lines.push(plain("TRANSFER TO ISA", keptMinor - balance, "TRANSFER"));
  if (balance < lowMinor) lines.push(plain("TRANSFER FROM ISA", rescueMinor, "TRANSFER"));
  if (random.next() < 0.55) lines.push(purchase(random, everyday, -1n));
  if (random.next() < 0.35) lines.push(purchase(random, everyday, -1n));
  return lines;
}

function savingsLines({ day, balance }: DaySituation, _random: SeededRandom): Line[] {
  if (day.endsWith("-03")) return [plain("TRANSFER FROM CURRENT ACCOUNT", savedMinor, "TRANSFER")];
  // 3 % a year, paid monthly.
  if (day.endsWith("-01")) return [plain("GROSS INTEREST", (balance * 3n) / 1_200n, "INTEREST")];
  return [];
}

function cardLines({ day, balance }: DaySituation, random: SeededRandom): Line[] {
  const lines: Line[] = [];
  if (day.endsWith("-18") && balance > 0n) lines.push(plain("PAYMENT RECEIVED THANK YOU", -balance, "CREDIT"));
  if (random.next() < 0.3) lines.push(purchase(random, wishes, 1n));
  return lines;
}

function cardBeside(account: Account): Account | undefined {
  return accountsOf(account.bank, account.person).find((each) => each.kind === "card");
}

function paymentsOf(card: Account | undefined, last: Day): Map<Day, bigint> {
  if (card === undefined) return new Map();
  const payments = statementUntil(card, last).entries.filter((entry) => entry.minor < 0n);
  return new Map(payments.map((entry) => [dayOf(entry.at), -entry.minor]));
}

function purchase(random: SeededRandom, shops: readonly [Shop, ...Shop[]], sign: bigint): Line {
  const shop = random.pick(shops);
  return {
    minor: sign * BigInt(random.between(shop.min, shop.max)),
    description: shop.merchant.toUpperCase(),
    merchant: shop.merchant,
    category: "PURCHASE",
    classification: shop.classification,
    hour: random.between(8 * 60, 21 * 60) / 60,
    waits: true,
  };
}

function bill(description: string, minor: bigint): Line {
  return { ...plain(description, minor, "DIRECT_DEBIT"), classification: ["Bills and Utilities", "Utilities"] };
}

function plain(description: string, minor: bigint, category: Category): Line {
  return { minor, description, merchant: null, category, classification: [], hour: 3, waits: false };
}

/** How far back the banks show a statement. */
export const historyMs = 183 * dayMs;
