import { derivedHex } from "../../kit/domain/derived-id.ts";
import type { AccountKind, StatementAccount } from "../../kit/domain/household.ts";

/** Somebody with accounts at every institution here. */
export interface Person {
  readonly username: string;
  readonly fullName: string;
  /** Minor units a month. */
  readonly payMinor: bigint;
  readonly rentMinor: bigint;
  readonly kinds: readonly AccountKind[];
}

/** Everybody's password, as at the vendor's own test bank. */
export const samplePassword = "go";
/** What a card may owe, minor units. */
export const cardLimitMinor = 350_000n;

/** The people of this sandbox. */
export const people: readonly Person[] = Object.freeze([
  {
    username: "demo",
    fullName: "Dana Reyes",
    payMinor: 412_000n,
    rentMinor: 165_000n,
    kinds: ["current", "savings", "card"],
  },
  { username: "riley", fullName: "Riley Park", payMinor: 336_500n, rentMinor: 128_000n, kinds: ["current", "savings"] },
  { username: "morgan", fullName: "Morgan Blake", payMinor: 298_000n, rentMinor: 119_500n, kinds: ["current", "card"] },
]);

/** The person of a user name. */
export function findPerson(username: string): Person | undefined {
  return people.find((each) => each.username === username);
}

/** An account of a person at a bank, as the bank knows it: the same for whoever connects it. */
export interface BankAccount extends StatementAccount {
  readonly name: string;
  readonly type: "checking" | "savings" | "creditCard";
  readonly number: string;
}

const typeOf = { current: "checking", savings: "savings", card: "creditCard" } as const;
const nameOf = { current: "Everyday Checking", savings: "Rainy Day Savings", card: "Cascade Rewards Card" } as const;

/** The account of a kind. */
export function bankAccount(institutionId: bigint, person: Person, kind: AccountKind): BankAccount {
  const idOf = (each: AccountKind) => `${institutionId}/${person.username}/${each}`;
  const digits = (BigInt(`0x${derivedHex(14, idOf(kind))}`) % 9_000_000_000n) + 1_000_000_000n;
  return {
    accountId: idOf(kind),
    kind,
    payMinor: person.payMinor,
    rentMinor: person.rentMinor,
    cardId: kind === "current" && person.kinds.includes("card") ? idOf("card") : null,
    name: nameOf[kind],
    type: typeOf[kind],
    number: String(digits),
  };
}
