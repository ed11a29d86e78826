import { type JournalEntry, journalEntry } from "./journal.ts";

/** A customer of the demo world, before ids are given. */
export interface DemoCustomer {
  readonly email: string;
  readonly displayName: string;
  readonly cards: readonly DemoCard[];
}

/** A card of the demo world. */
export interface DemoCard {
  readonly brand: "VISA" | "MC";
  readonly lastFour: string;
  readonly expiryYear: number;
  readonly expiryMonth: number;
  readonly status: "active" | "inactive";
  readonly creditLimitMinor: bigint;
}

/** The two accounts every demo customer has, by id. */
export interface DemoAccounts {
  readonly chequing: string;
  readonly savings: string;
}

/** An entry of the past. */
export interface DemoEntry {
  readonly postedAt: Date;
  readonly entry: JournalEntry;
}

const dayMs = 24 * 3_600_000;
const historyDays = 120;

const people = [
  { email: "customer1@example.com", displayName: "Alex Morgan" },
  { email: "customer2@example.com", displayName: "Jordan Lee" },
] as const;

/** A whole number in `[from, to]`, the next of its sequence. */
export type Pick = (from: number, to: number) => number;

/**
 * A sequence of numbers that is the same for the same seed and different for another (mulberry32 over an FNV-1a hash): two
 * demo banks differ, and one bank is the same on every machine. Not random in any other sense.
 */
export function seededPick(seed: string): Pick {
  let state = 0x811c9dc5;
  for (const char of seed) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return (from, to) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return from + (((mixed ^ (mixed >>> 14)) >>> 0) % (to - from + 1));
  };
}

/** The demo customers of a bank, each with an active VISA, an active MC and an inactive card. */
export function demoCustomers(bsimId: string, now: Date): DemoCustomer[] {
  return people.map((person) => {
    const pick = seededPick(`${bsimId}/${person.email}/cards`);
    const card = (brand: "VISA" | "MC", status: "active" | "inactive", limitDollars: number): DemoCard => ({
      brand,
      status,
      lastFour: String(pick(1_000, 9_999)),
      expiryMonth: pick(1, 12),
      expiryYear: now.getUTCFullYear() + pick(2, 4),
      creditLimitMinor: BigInt(limitDollars) * 100n,
    });
    return {
      ...person,
      cards: [
        card("VISA", "active", pick(30, 60) * 100),
        card("MC", "active", pick(20, 45) * 100),
        card("VISA", "inactive", 1_000),
      ],
    };
  });
}

/** Some months of an ordinary life on both accounts, oldest first; no balance goes below zero on the way. */
export function demoHistory(bsimId: string, email: string, accounts: DemoAccounts, now: Date): DemoEntry[] {
  const pick = seededPick(`${bsimId}/${email}/history`);
  const { chequing, savings } = accounts;
  const dollars = (from: number, to: number) => BigInt(pick(from * 100, to * 100));
  const salary = dollars(1_900, 2_600);
  const rent = dollars(1_200, 1_700);
  const entries: DemoEntry[] = [];
  const add = (day: number, entry: JournalEntry) => {
    // Within the banking day, and never in the future.
    const atMs = now.getTime() - (historyDays - day) * dayMs - pick(1, 8) * 3_600_000;
    entries.push({ postedAt: new Date(atMs), entry });
  };
  add(0, moneyIn(chequing, "Opening deposit", dollars(2_500, 4_000)));
  add(0, moneyIn(savings, "Opening deposit", dollars(5_000, 15_000)));
  for (let day = 1; day < historyDays; day += 1) {
    if (day % 14 === 1) add(day, moneyIn(chequing, "Payroll deposit", salary));
    if (day % 30 === 3) add(day, moneyOut(chequing, "Rent", rent));
    if (day % 30 === 10) add(day, moneyOut(chequing, "Electricity bill", dollars(60, 140)));
    if (day % 30 === 12) add(day, moneyOut(chequing, "Mobile phone", dollars(45, 80)));
    if (day % 7 === 5) add(day, moneyOut(chequing, "Groceries", dollars(70, 190)));
    if (day % 9 === 4) add(day, moneyOut(chequing, "Restaurant", dollars(18, 75)));
    if (day % 30 === 20) add(day, toSavings(chequing, savings, dollars(100, 300)));
    if (day % 30 === 29) add(day, moneyIn(savings, "Interest", dollars(8, 30)));
  }
  return entries.sort((a, b) => a.postedAt.getTime() - b.postedAt.getTime());
}

function moneyIn(accountId: string, description: string, amountMinor: bigint): JournalEntry {
  return journalEntry("deposit", description, [
    { target: { kind: "clearing" }, amountMinor },
    { target: { kind: "deposit", accountId }, amountMinor: -amountMinor },
  ]);
}

function moneyOut(accountId: string, description: string, amountMinor: bigint): JournalEntry {
  return journalEntry("withdrawal", description, [
    { target: { kind: "deposit", accountId }, amountMinor },
    { target: { kind: "clearing" }, amountMinor: -amountMinor },
  ]);
}

function toSavings(chequing: string, savings: string, amountMinor: bigint): JournalEntry {
  return journalEntry("transfer", "Transfer to savings", [
    { target: { kind: "deposit", accountId: chequing }, amountMinor },
    { target: { kind: "deposit", accountId: savings }, amountMinor: -amountMinor },
  ]);
}
