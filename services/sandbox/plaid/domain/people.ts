/** What an account is. */
export type AccountKind = "checking" | "savings" | "credit card" | "crypto exchange";

/** An account as the bank opened it. Amounts in minor units. */
export interface PersonAccount {
  /** Names the account within its owner, in seeds and in control calls. */
  readonly key: string;
  readonly kind: AccountKind;
  readonly name: string;
  readonly officialName: string;
  readonly mask: string;
  /** Held before the first entry shown; owed, for a credit card. */
  readonly openingMinor: bigint;
  /** Of a credit card. */
  readonly limitMinor?: bigint;
  /** Held in something that is no currency of ISO 4217, told in hundredths; the bank's currency otherwise. */
  readonly unofficialCurrency?: string;
}

/** What Plaid calls an account of this kind. */
export function accountType(kind: AccountKind): "credit" | "depository" | "investment" {
  if (kind === "credit card") return "credit";
  return kind === "crypto exchange" ? "investment" : "depository";
}

/** Somebody who may sign in at any institution here. */
export interface Person {
  readonly username: string;
  readonly fullName: string;
  /** A month. */
  readonly payMinor: bigint;
  readonly rentMinor: bigint;
  readonly accounts: readonly PersonAccount[];
}

/** Everybody's password, as in Plaid's own sandbox. */
export const samplePassword = "pass_good";

const checking = (mask: string, openingMinor: bigint): PersonAccount => ({
  key: "checking",
  kind: "checking",
  name: "Everyday Checking",
  officialName: "Everyday Checking Account",
  mask,
  openingMinor,
});
const savings = (mask: string, openingMinor: bigint): PersonAccount => ({
  key: "savings",
  kind: "savings",
  name: "Rainy Day Savings",
  officialName: "Rainy Day High Interest Savings Account",
  mask,
  openingMinor,
});
const card = (mask: string, limitMinor: bigint): PersonAccount => ({
  key: "card",
  kind: "credit card",
  name: "Travel Card",
  officialName: "Travel Rewards Credit Card",
  mask,
  openingMinor: 92_000n,
  limitMinor,
});

const coins = (mask: string, openingMinor: bigint): PersonAccount => ({
  key: "coins",
  kind: "crypto exchange",
  name: "Bitcoin Wallet",
  officialName: "Bitcoin Wallet",
  mask,
  openingMinor,
  unofficialCurrency: "BTC",
});

/** The people of this sandbox. */
export const people: readonly [Person, ...Person[]] = Object.freeze([
  {
    username: "user_good",
    fullName: "Alex Doe",
    payMinor: 490_000n,
    rentMinor: 145_000n,
    accounts: [checking("0000", 721_050n), savings("1111", 1_250_000n), card("3333", 500_000n)],
  },
  {
    username: "user_maria",
    fullName: "Maria Lopez",
    payMinor: 625_000n,
    rentMinor: 198_000n,
    accounts: [checking("4821", 968_412n), savings("9034", 2_480_000n)],
  },
  {
    username: "user_sam",
    fullName: "Sam Chen",
    payMinor: 396_000n,
    rentMinor: 112_000n,
    accounts: [checking("7755", 636_700n), card("6120", 300_000n)],
  },
  {
    username: "user_coin",
    fullName: "Robin Vale",
    payMinor: 442_000n,
    rentMinor: 131_000n,
    accounts: [checking("2580", 718_400n), coins("8080", 140n)],
  },
]);

/** The person of a user name. */
export function findPerson(username: string): Person | undefined {
  return people.find((each) => each.username === username);
}
