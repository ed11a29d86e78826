import { describe, expect, it } from "vitest";
import { addDays } from "../../kit/domain/calendar.ts";
import { feedOfDays } from "./feed.ts";
import { people } from "./people.ts";

const today = "2026-06-15";
const first = addDays(today, -180);

describe.each(people)("the statement of $username", (person) => {
  const owner = { itemId: "item-1", person, accountKeys: person.accounts.map((each) => each.key) };
  const feed = feedOfDays(owner, first, today, today);

  it("is the same whenever it is made, with an id for every line", () => {
    expect(feedOfDays(owner, first, today, today)).toEqual(feed);
    expect(new Set(feed.map((each) => each.id)).size).toBe(feed.length);
    expect(feed.length).toBeGreaterThan(150);
  });

  it("has other ids at another item", () => {
    const other = new Set(feedOfDays({ ...owner, itemId: "item-2" }, first, today, today).map((each) => each.id));
    expect(feed.filter((each) => other.has(each.id))).toEqual([]);
  });

  it("leaves only purchases of the last two days pending", () => {
    const pending = feed.filter((each) => each.pending);
    expect(pending.every((each) => each.entry.day >= addDays(today, -1) && each.entry.waits)).toBe(true);
  });

  it("never overdraws an account and never passes the limit of a card", () => {
    for (const account of person.accounts) {
      const lines = feed.filter((each) => each.entry.accountKey === account.key);
      const days = lines.toSorted((a, b) => a.entry.day.localeCompare(b.entry.day));
      let balance = account.openingMinor;
      for (const line of days) {
        balance += account.limitMinor === undefined ? -line.minor : line.minor;
        expect(balance).toBeGreaterThan(0n);
        if (account.limitMinor !== undefined) expect(balance).toBeLessThan(account.limitMinor);
      }
    }
  });
});
