import { type Currency, parseCurrency } from "../../../platform/money/currency.ts";
import { derivedHex } from "../../kit/domain/derived-id.ts";
import type { AccountKind, StatementAccount } from "../../kit/domain/household.ts";

/** A person who can sign in. */
export interface Person {
  readonly username: string;
  readonly password: string;
  readonly userId: bigint;
  readonly firstName: string;
  readonly lastName: string;
  readonly email: string;
  readonly country: { readonly code: string; readonly name: string; readonly city: string };
  /** Lives in the United Kingdom or the European Economic Area, where statements need a strong authentication. */
  readonly isRegulated: boolean;
  readonly profiles: readonly Profile[];
}

/** A person himself, or a business of his. */
export interface Profile {
  readonly profileId: bigint;
  readonly publicId: string;
  readonly type: "PERSONAL" | "BUSINESS";
  /** What people call it. */
  readonly name: string;
  readonly balances: readonly Balance[];
}

/** Money of a profile in one currency. */
export interface Balance {
  readonly balanceId: bigint;
  readonly profileId: bigint;
  readonly currency: Currency;
  readonly type: "STANDARD" | "SAVINGS";
  /** Of a jar. */
  readonly name: string | null;
  readonly statement: StatementAccount;
}

/** When every balance was opened: the first day statements know. */
export const openedAt = "2024-01-01T00:00:00.000Z";

interface BalancePlan {
  readonly currency: string;
  readonly jar?: string;
  readonly payMinor: bigint;
  readonly rentMinor: bigint;
}

const household: readonly BalancePlan[] = [
  { currency: "GBP", payMinor: 262_400n, rentMinor: 91_000n },
  { currency: "EUR", payMinor: 118_000n, rentMinor: 38_500n },
  { currency: "GBP", jar: "Holiday", payMinor: 0n, rentMinor: 0n },
];
const firm: readonly BalancePlan[] = [
  { currency: "GBP", payMinor: 912_000n, rentMinor: 240_000n },
  { currency: "USD", payMinor: 431_500n, rentMinor: 120_000n },
];

/** The people of the sandbox; their passwords are shown on the sign-in page. */
export const people: readonly Person[] = [
  makePerson("oliver", "wilson", "Oliver", "Wilson", {
    country: { code: "gb", name: "United Kingdom", city: "London" },
    isRegulated: true,
    business: "Alderwick Studios Ltd",
  }),
  makePerson("mira", "kask", "Mira", "Kask", {
    country: { code: "us", name: "United States", city: "Portland" },
    isRegulated: false,
  }),
];

/** The person of that name. */
export function findPerson(username: string): Person | undefined {
  return people.find((person) => person.username === username);
}

/** A profile of anybody. */
export function findProfile(profileId: bigint): { readonly person: Person; readonly profile: Profile } | undefined {
  for (const person of people) {
    const profile = person.profiles.find((each) => each.profileId === profileId);
    if (profile !== undefined) return { person, profile };
  }
  return undefined;
}

/** A balance of anybody. */
export function findBalance(balanceId: bigint): Balance | undefined {
  return people
    .flatMap((person) => person.profiles.flatMap((profile) => profile.balances))
    .find((balance) => balance.balanceId === balanceId);
}

function makePerson(
  username: string,
  password: string,
  firstName: string,
  lastName: string,
  more: Pick<Person, "country" | "isRegulated"> & { readonly business?: string },
): Person {
  const { business, ...rest } = more;
  const personal = makeProfile(username, "PERSONAL", `${firstName} ${lastName}`, household);
  const profiles = business === undefined ? [personal] : [personal, makeProfile(username, "BUSINESS", business, firm)];
  const email = `${username}.${lastName.toLowerCase()}@example.com`;
  return { username, password, userId: numberOf("user", username), firstName, lastName, email, profiles, ...rest };
}

function makeProfile(username: string, type: Profile["type"], name: string, plans: readonly BalancePlan[]): Profile {
  const profileId = numberOf("profile", username, type);
  const hex = derivedHex(32, "public", username, type);
  const publicId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return { profileId, publicId, type, name, balances: plans.map((plan) => makeBalance(profileId, plan)) };
}

function makeBalance(profileId: bigint, plan: BalancePlan): Balance {
  const balanceId = numberOf("balance", String(profileId), plan.currency, plan.jar ?? "");
  const kind: AccountKind = plan.jar === undefined ? "current" : "savings";
  const { payMinor, rentMinor } = plan;
  return {
    balanceId,
    profileId,
    currency: parseCurrency(plan.currency),
    type: plan.jar === undefined ? "STANDARD" : "SAVINGS",
    name: plan.jar ?? null,
    statement: { accountId: `wise/${balanceId}`, kind, payMinor, rentMinor, cardId: null },
  };
}

/** Eight digits, as Wise's numbers have. */
function numberOf(...words: readonly string[]): bigint {
  return (BigInt(`0x${derivedHex(12, ...words)}`) % 90_000_000n) + 10_000_000n;
}
