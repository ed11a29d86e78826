import { describe, expect, it } from "vitest";
import type { ProviderTransaction, TransactionPage } from "../connectors/provider-data.ts";
import { fetchChanges } from "./fetch-changes.ts";

function transaction(transactionId: string, description = ""): ProviderTransaction {
  const common = { accountId: "a", amountMinor: -1n, currency: "USD", status: "posted" as const };
  return { transactionId, description, postedAt: new Date(0), ...common };
}

function page(nextCursor: string, changes: Partial<TransactionPage> = {}): TransactionPage {
  return { added: [], changed: [], removed: [], nextCursor, hasMore: false, ...changes };
}

/** Answers by cursor, one after the other; the last one stays. */
function provider(answers: Record<string, TransactionPage[]>): (cursor: string) => Promise<TransactionPage> {
  return async (cursor) => {
    const left = answers[cursor] ?? [];
    const next = left.length > 1 ? left.shift() : left[0];
    if (next === undefined) throw new Error(`nothing at cursor ${cursor}`);
    return next;
  };
}

describe("the pages of a run", () => {
  it("add up; of a transaction told twice the last telling counts, and one that was removed is gone", async () => {
    const changes = await fetchChanges(
      "",
      provider({
        "": [page("1", { added: [transaction("a"), transaction("b"), transaction("a", "again")], hasMore: true })],
        "1": [page("2", { changed: [transaction("b", "changed")], removed: ["a", "old"], hasMore: true })],
        "2": [page("3", { added: [transaction("old", "back")] })],
      }),
    );
    expect(changes.saved.map((each) => [each.transactionId, each.description])).toEqual([
      ["b", "changed"],
      ["old", "back"],
    ]);
    expect(changes).toMatchObject({ removed: ["a"], cursor: "3", pages: 3 });
  });

  it("that moved begin again from the first cursor, and what was seen before does not count", async () => {
    const changes = await fetchChanges(
      "start",
      provider({
        start: [page("1", { added: [transaction("gone")], hasMore: true }), page("1", { hasMore: true })],
        "1": [page("", { restart: "run" }), page("2", { added: [transaction("true")] })],
      }),
    );
    expect(changes.saved.map((each) => each.transactionId)).toEqual(["true"]);
    expect(changes.cursor).toBe("2");
  });

  it("with a cursor the provider forgot begin at the beginning", async () => {
    const answers = { forgotten: [page("", { restart: "beginning" })], "": [page("1", { added: [transaction("a")] })] };
    expect((await fetchChanges("forgotten", provider(answers))).saved).toHaveLength(1);
  });

  it("that never end, keep moving or repeat their cursor are an outage", async () => {
    const loop = fetchChanges("", provider({ "": [page("", { hasMore: true })] }));
    await expect(loop).rejects.toMatchObject({ facts: { why: "cursor_loop" } });
    const circle = { "": [page("1", { hasMore: true })], "1": [page("", { hasMore: true })] };
    await expect(fetchChanges("", provider(circle))).rejects.toMatchObject({ facts: { why: "too_many_pages" } });
    const moving = fetchChanges("", provider({ "": [page("", { restart: "run" })] }));
    await expect(moving).rejects.toMatchObject({ facts: { why: "data_moving" } });
  });
});
