import { derivedHex } from "../../kit/domain/derived-id.ts";
import type { AccountKind, StatementAccount } from "../../kit/domain/household.ts";

/** A bank the sandbox plays. */
export interface Bank {
  readonly providerId: string;
  readonly name: string;
  readonly sortCode: string;
  readonly bic: string;
  /** Four letters, as in an IBAN. */
  readonly code: string;
  /** Shows transactions older than 90 days only shortly after signing in, and asks for a sign-in to extend a consent. */
  readonly isStrict: boolean;
}

/** The banks, in the order they are offered. */
export const banks: readonly Bank[] = [
  {
    providerId: "ob-thames",
    name: "Thames & Tyne Bank",
    sortCode: "20-41-07",
    bic: "THTYGB2L",
    code: "THTY",
    isStrict: false,
  },
  {
    providerId: "ob-saltire",
    name: "Saltire Bank",
    sortCode: "83-19-22",
    bic: "SALTGB2S",
    code: "SALT",
    isStrict: false,
  },
  {
    providerId: "ob-heron",
    name: "Heron Building Society",
    sortCode: "07-33-51",
    bic: "HERNGB21",
    code: "HERN",
    isStrict: true,
  },
];

/** The bank of that provider id. */
export function findBank(providerId: string): Bank | undefined {
  return banks.find((bank) => bank.providerId === providerId);
}

/** Words that stand for several providers in `providers`. Every bank here is a mock, and an open banking bank of the UK. */
const groups: readonly string[] = ["uk-ob-all", "uk-oauth-all", "mock", "uk-cs-mock"];

/** The banks a `providers` value lets a person choose; all of them when it names none. Mocks need no `enable_mock` here. */
export function banksOffered(providers: readonly string[]): readonly Bank[] {
  if (providers.length === 0 || providers.some((each) => groups.includes(each))) return banks;
  return banks.filter((bank) => providers.includes(bank.providerId));
}

/** A person with an account at every bank. */
export interface Person {
  readonly username: string;
  readonly password: string;
  readonly fullName: string;
  readonly email: string;
  readonly phone: string;
  /** Minor units a month. */
  readonly payMinor: bigint;
  readonly rentMinor: bigint;
}

/** The people of the sandbox; their passwords are shown on the sign-in page. */
export const people: readonly Person[] = [
  {
    username: "john",
    password: "doe",
    fullName: "John Doe",
    email: "john.doe@example.com",
    phone: "+447700900123",
    payMinor: 284_500n,
    rentMinor: 98_000n,
  },
  {
    username: "priya",
    password: "shah",
    fullName: "Priya Shah",
    email: "priya.shah@example.com",
    phone: "+447700900456",
    payMinor: 341_200n,
    rentMinor: 115_000n,
  },
];

/** The person of that name. */
export function findPerson(username: string): Person | undefined {
  return people.find((person) => person.username === username);
}

/** An account of a person at a bank; a card is one too. */
export interface Account {
  readonly accountId: string;
  readonly bank: Bank;
  readonly person: Person;
  readonly kind: AccountKind;
  readonly displayName: string;
  /** Eight digits of an account; the last four of a card. */
  readonly number: string;
  /** Of a card, minor units. */
  readonly limitMinor: bigint;
}

const kinds: readonly AccountKind[] = ["current", "savings", "card"];

/** Everything a person has at a bank. */
export function accountsOf(bank: Bank, person: Person): readonly Account[] {
  return kinds.map((kind) => accountOf(bank, person, kind));
}

/** The account of that id, whoever has it. */
export function findAccount(accountId: string): Account | undefined {
  return banks
    .flatMap((bank) => people.flatMap((person) => accountsOf(bank, person)))
    .find((account) => account.accountId === accountId);
}

function accountOf(bank: Bank, person: Person, kind: AccountKind): Account {
  const accountId = derivedHex(32, "account", bank.providerId, person.username, kind);
  const digits = (BigInt(`0x${accountId.slice(0, 14)}`) % 90_000_000n) + 10_000_000n;
  const names: Record<AccountKind, string> = {
    current: `${bank.name} Current Account`,
    savings: `${bank.name} Easy Saver`,
    card: `${bank.name} Credit Card`,
  };
  return {
    accountId,
    bank,
    person,
    kind,
    displayName: names[kind],
    number: kind === "card" ? String(digits).slice(-4) : String(digits),
    limitMinor: kind === "card" ? 350_000n : 0n,
  };
}

/** What the statement of an account is made from. */
export function statementOf(account: Account): StatementAccount {
  const { accountId, bank, kind, person } = account;
  const cardId = kind === "current" ? accountOf(bank, person, "card").accountId : null;
  return { accountId, kind, payMinor: person.payMinor, rentMinor: person.rentMinor, cardId };
}

/** The IBAN of an account, with its check digits (ISO 13616, modulo 97). */
export function ibanOf(account: Account): string {
  const basic = `${account.bank.code}${account.bank.sortCode.replaceAll("-", "")}${account.number}`;
  const digits = [...`${basic}GB00`].map((each) => Number.parseInt(each, 36).toString()).join("");
  const check = 98n - (BigInt(digits) % 97n);
  return `GB${check.toString().padStart(2, "0")}${basic}`;
}
