import { type Day, isLastOfMonth } from "../../kit/domain/calendar.ts";
import { type SeededRandom, seededRandom } from "../../kit/domain/seeded-random.ts";
import type { Person, PersonAccount } from "./people.ts";

/** One line of a bank statement. */
export interface Entry {
  /** The same for the same person, account, day and place in it. */
  readonly key: string;
  readonly accountKey: string;
  readonly day: Day;
  /** Minor units; above zero leaves the account, as Plaid counts. */
  readonly minor: bigint;
  readonly name: string;
  readonly merchant: string | null;
  readonly primary: string;
  readonly detailed: string;
  readonly channel: "online" | "in store" | "other";
  /** Card purchases wait as pending for a day or two; transfers and pay do not. */
  readonly waits: boolean;
}

type Line = Omit<Entry, "key" | "accountKey" | "day">;

interface Shop {
  readonly merchant: string;
  readonly primary: string;
  readonly detailed: string;
  readonly min: number;
  readonly max: number;
}

const groceries: readonly [Shop, ...Shop[]] = [
  shop("Greenleaf Market", "FOOD_AND_DRINK", "GROCERIES", 1_850, 11_400),
  shop("Harvest Co-op", "FOOD_AND_DRINK", "GROCERIES", 2_200, 9_800),
];
const treats: readonly [Shop, ...Shop[]] = [
  shop("Bluebird Coffee", "FOOD_AND_DRINK", "COFFEE", 380, 1_150),
  shop("Noodle Corner", "FOOD_AND_DRINK", "RESTAURANT", 1_250, 4_600),
  shop("Pine Street Grill", "FOOD_AND_DRINK", "RESTAURANT", 1_900, 7_800),
  shop("City Transit", "TRANSPORTATION", "PUBLIC_TRANSIT", 275, 550),
];
const cardShops: readonly [Shop, ...Shop[]] = [
  shop("Cascade Outfitters", "GENERAL_MERCHANDISE", "CLOTHING_AND_ACCESSORIES", 2_400, 14_900),
  shop("Northline Fuel", "TRANSPORTATION", "GAS", 2_900, 6_700),
  shop("Paper Lantern Books", "GENERAL_MERCHANDISE", "BOOKSTORES_AND_NEWSSTANDS", 1_100, 5_200),
  shop("Harbour Cinema", "ENTERTAINMENT", "TV_AND_MOVIES", 1_400, 3_800),
  shop("Skyway Airlines", "TRAVEL", "FLIGHTS", 14_900, 38_000),
];

/** The lines of one account on one day, the same whenever they are asked for. */
export function entriesOfDay(person: Person, account: PersonAccount, day: Day): readonly Entry[] {
  const random = seededRandom(`${person.username}/${account.key}/${day}`);
  const linesOf = {
    checking: checkingLines,
    savings: savingsLines,
    "credit card": cardLines,
    "crypto exchange": coinLines,
  }[account.kind];
  return linesOf(person, day, random).map((line, index) => ({
    ...line,
    key: `${account.key}/${day}/${index}`,
    accountKey: account.key,
    day,
  }));
}

/** A purchase that was not on the statement before: what a refresh finds. */
export function freshPurchase(person: Person, account: PersonAccount, day: Day, label: string): Entry {
  const random = seededRandom(`${person.username}/${account.key}/${day}/${label}`);
  const line = purchase(random, random.pick(account.kind === "credit card" ? cardShops : treats));
  return { ...line, key: `${account.key}/${day}/${label}`, accountKey: account.key, day };
}

function checkingLines(person: Person, day: Day, random: SeededRandom): Line[] {
  const lines: Line[] = [];
  const date = Number.parseInt(day.slice(8), 10);
  const hasCard = person.accounts.some((each) => each.kind === "credit card");
  const hasSavings = person.accounts.some((each) => each.kind === "savings");
  if (date === 15 || isLastOfMonth(day)) {
    lines.push(plain("LUMEN STUDIO PAYROLL", -person.payMinor, "INCOME", "WAGES"));
  }
  if (date === 1) lines.push(plain("Oakwood Property Rent", person.rentMinor, "RENT_AND_UTILITIES", "RENT"));
  if (date === 2 && hasSavings) lines.push(plain("Transfer to Savings", 40_000, "TRANSFER_OUT", "SAVINGS"));
  if (date === 5) lines.push(online("Streamly", 1_599, "ENTERTAINMENT", "TV_AND_MOVIES"));
  if (date === 8) {
    lines.push(
      online("River Power & Light", random.between(6_200, 14_800), "RENT_AND_UTILITIES", "GAS_AND_ELECTRICITY"),
    );
  }
  if (date === 12) lines.push(online("Clearwave Mobile", 5_500, "RENT_AND_UTILITIES", "TELEPHONE"));
  if (date === 20 && hasCard) lines.push(plain("Card Payment", 45_000, "LOAN_PAYMENTS", "CREDIT_CARD_PAYMENT"));
  if (random.next() < 0.35) lines.push(purchase(random, random.pick(groceries)));
  if (random.next() < 0.5) lines.push(purchase(random, random.pick(treats)));
  return lines;
}

function savingsLines(_person: Person, day: Day, random: SeededRandom): Line[] {
  const lines: Line[] = [];
  if (day.endsWith("-02")) lines.push(plain("Transfer from Checking", -40_000, "TRANSFER_IN", "SAVINGS"));
  if (isLastOfMonth(day)) lines.push(plain("Interest", -random.between(1_900, 3_400), "INCOME", "INTEREST_EARNED"));
  return lines;
}

function cardLines(_person: Person, day: Day, random: SeededRandom): Line[] {
  const lines: Line[] = [];
  if (day.endsWith("-20")) lines.push(plain("Payment Received", -45_000, "LOAN_PAYMENTS", "CREDIT_CARD_PAYMENT"));
  const chosen = random.pick(cardShops);
  // A flight every other month, not every week.
  const likely = chosen.primary === "TRAVEL" ? 0.08 : 0.3;
  if (random.next() < likely) lines.push(purchase(random, chosen));
  return lines;
}

function coinLines(_person: Person, day: Day): Line[] {
  return day.endsWith("-10") ? [plain("Bitcoin Bought", -2, "TRANSFER_IN", "INVESTMENT_AND_RETIREMENT_FUNDS")] : [];
}

function shop(merchant: string, primary: string, detail: string, min: number, max: number): Shop {
  return { merchant, primary, detailed: `${primary}_${detail}`, min, max };
}

function purchase(random: SeededRandom, from: Shop): Line {
  return {
    minor: BigInt(random.between(from.min, from.max)),
    name: from.merchant.toUpperCase(),
    merchant: from.merchant,
    primary: from.primary,
    detailed: from.detailed,
    channel: "in store",
    waits: true,
  };
}

function online(merchant: string, minor: number, primary: string, detail: string): Line {
  const line = plain(merchant, minor, primary, detail);
  return { ...line, merchant, channel: "online", waits: true };
}

function plain(name: string, minor: number, primary: string, detail: string): Line {
  return {
    minor: BigInt(minor),
    name,
    merchant: null,
    primary,
    detailed: `${primary}_${detail}`,
    channel: "other",
    waits: false,
  };
}
