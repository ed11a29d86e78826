import type { Currency } from "../../../platform/money/currency.ts";
import { derivedHex } from "../../kit/domain/derived-id.ts";
import type { AccountKind, StatementAccount } from "../../kit/domain/household.ts";

/** A bank people may connect. */
export interface Institution {
  readonly id: string;
  readonly name: string;
  readonly shortName: string;
  /** As Basiq names countries. */
  readonly country: "Australia" | "New Zealand";
  readonly currency: Currency;
  readonly type: string;
  readonly tier: string;
  readonly color: string;
  readonly bsb: string;
}

/** The banks of this sandbox. The first has the id and name of Basiq's own test bank. */
export const institutions: readonly [Institution, ...Institution[]] = Object.freeze([
  {
    id: "AU00000",
    name: "Hooli Bank",
    shortName: "Hooli",
    country: "Australia",
    currency: "AUD" as Currency, // an ISO 4217 code
    type: "Test Bank",
    tier: "4",
    color: "#1b4f72",
    bsb: "182-183",
  },
  {
    id: "AU90001",
    name: "Wattle Mutual Bank",
    shortName: "Wattle",
    country: "Australia",
    currency: "AUD" as Currency, // an ISO 4217 code
    type: "Bank",
    tier: "2",
    color: "#8a6d00",
    bsb: "640-209",
  },
  {
    id: "NZ90001",
    name: "Rimu Savings Bank",
    shortName: "Rimu",
    country: "New Zealand",
    currency: "NZD" as Currency, // an ISO 4217 code
    type: "Bank",
    tier: "3",
    color: "#14532d",
    bsb: "38-9010",
  },
]);

/** The institution of an id. */
export function findInstitution(id: string): Institution | undefined {
  return institutions.find((each) => each.id === id);
}

/** A person with accounts at every bank. */
export interface Person {
  readonly loginId: string;
  readonly password: string;
  readonly fullName: string;
  /** Minor units a month. */
  readonly payMinor: bigint;
  readonly rentMinor: bigint;
}

/** The people of this sandbox, with credentials of Basiq's own test bank. */
export const people: readonly [Person, ...Person[]] = Object.freeze([
  {
    loginId: "gavinBelson",
    password: "hooli2016",
    fullName: "Gavin Belson",
    payMinor: 724_000n,
    rentMinor: 268_000n,
  },
  {
    loginId: "richard",
    password: "tabsnotspaces",
    fullName: "Richard Hendricks",
    payMinor: 498_500n,
    rentMinor: 205_000n,
  },
]);

/** The person of a login. */
export function findPerson(loginId: string): Person | undefined {
  return people.find((each) => each.loginId === loginId);
}

/** What is told of one kind of account. */
export interface AccountFacts {
  readonly kind: AccountKind;
  readonly name: string;
  readonly className: string;
  readonly product: string;
  readonly limitMinor: bigint;
}

/** The accounts everybody has, in the order they are shown. */
export const accountFacts: readonly AccountFacts[] = Object.freeze([
  { kind: "current", name: "Everyday Account", className: "transaction", product: "Everyday Access", limitMinor: 0n },
  { kind: "savings", name: "Bonus Saver", className: "savings", product: "Bonus Saver", limitMinor: 0n },
  { kind: "card", name: "Low Rate Card", className: "credit-card", product: "Low Rate Visa", limitMinor: 600_000n },
] as const);

/** What makes the statement of an account: the same person at the same bank, the same lines. */
export function statementAccount(institution: Institution, person: Person, kind: AccountKind): StatementAccount {
  const idOf = (each: AccountKind) => derivedHex(32, "basiq", institution.id, person.loginId, each);
  const cardId = kind === "current" ? idOf("card") : null;
  return { accountId: idOf(kind), kind, payMinor: person.payMinor, rentMinor: person.rentMinor, cardId };
}

/** An account's number at its bank, or a card's with all but four digits hidden. */
export function accountNumber(institution: Institution, person: Person, kind: AccountKind): string {
  const { accountId } = statementAccount(institution, person, kind);
  const digits = String((BigInt(`0x${accountId.slice(0, 14)}`) % 900_000_000n) + 100_000_000n);
  return kind === "card" ? `xxxx xxxx xxxx ${digits.slice(-4)}` : institution.bsb.replaceAll("-", "") + digits;
}

/** An id in the look of Basiq's that stands for these words. */
export function derivedUuid(...words: readonly string[]): string {
  const hex = derivedHex(32, ...words);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
