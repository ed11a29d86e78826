import { describe, expect, it } from "vitest";
import { fulfils, parseFilter } from "./filter.ts";

const properties = ["account.id", "transaction.postDate"];

describe("a filter", () => {
  it("has conditions that all have to hold", () => {
    const filter = parseFilter("account.id.eq('a1'),transaction.postDate.bt('2026-01-01','2026-01-31')", properties);
    expect(fulfils(filter, "account.id", "a1")).toBe(true);
    expect(fulfils(filter, "account.id", "a2")).toBe(false);
    expect(fulfils(filter, "transaction.postDate", "2026-01-31")).toBe(true);
    expect(fulfils(filter, "transaction.postDate", "2026-02-01")).toBe(false);
  });

  it("is fulfilled by no value that is not there", () => {
    const filter = parseFilter("transaction.postDate.gteq('2026-01-01')", properties);
    expect(fulfils(filter, "transaction.postDate", null)).toBe(false);
    expect(fulfils(filter, "account.id", null)).toBe(true);
  });

  it.each([
    ["a property that cannot be asked for", "account.name.eq('x')"],
    ["a value without quotes", "account.id.eq(x)"],
    ["an operator there is none of", "account.id.like('x')"],
    ["nothing behind a comma", "account.id.eq('x'),"],
    ["conditions without a comma", "account.id.eq('x') account.id.eq('y')"],
    ["a text without end", `account.id.eq('${"x".repeat(2_000)}')`],
  ])("with %s is refused, naming the parameter", (_what, text) => {
    const facts = expect.objectContaining({ code: "parameter-not-valid", parameter: "filter" });
    expect(refusalOf(text)).toMatchObject({ facts });
  });
});

function refusalOf(text: string): unknown {
  try {
    return parseFilter(text, properties);
  } catch (error) {
    return error;
  }
}
