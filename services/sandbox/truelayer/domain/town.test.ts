import { describe, expect, it } from "vitest";
import { accountsOf, banks, people, statementOf } from "./banks.ts";
import { statements } from "./town.ts";

const accounts = banks.flatMap((bank) => people.flatMap((person) => accountsOf(bank, person)));

describe("a statement", () => {
  it("is the same whenever it is made, and a later one only adds to it", () => {
    for (const account of accounts.slice(0, 3)) {
      const short = statements.until(statementOf(account), "2025-06-30");
      const long = statements.until(statementOf(account), "2025-08-31");
      const keys = new Set(short.entries.map((entry) => entry.key));
      expect(long.entries.filter((entry) => keys.has(entry.key))).toEqual(short.entries);
      expect(long.entries.length).toBeGreaterThan(short.entries.length);
    }
  });

  it("keeps every balance within what a person might have for three years", () => {
    for (const account of accounts) {
      const { openingMinor, entries } = statements.until(statementOf(account), "2027-12-31");
      let balance = openingMinor;
      for (const entry of entries) {
        balance += entry.minor;
        if (account.kind === "card") expect(balance <= account.limitMinor).toBe(true);
        else expect(balance > -100_000n && balance < 2_500_000n).toBe(true);
      }
    }
  });
});
