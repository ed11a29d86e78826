import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DomainError } from "../errors/domain-error.ts";
import { toMajorText } from "./amount.ts";
import { parseCurrency } from "./currency.ts";
import { parseDecimalText, parseJsonAmounts } from "./decimal-text.ts";

const usd = parseCurrency("USD");
const jpy = parseCurrency("JPY");
const kwd = parseCurrency("KWD");

describe("parseDecimalText", () => {
  it.each([
    ["12.34", usd, 1234n],
    ["-0.5", usd, -50n],
    ["0", usd, 0n],
    ["100", usd, 10000n],
    ["1.2e3", usd, 120000n],
    ["5e-2", usd, 5n],
    ["12.3400", usd, 1234n],
    ["7", jpy, 7n],
    ["1.234", kwd, 1234n],
    ["9007199254740993.01", usd, 900719925474099301n],
  ])("reads %s to %s", (text, currency, minor) => {
    expect(parseDecimalText(text, currency)).toBe(minor);
  });

  it("drops what float arithmetic leaves behind, on either side", () => {
    expect(parseDecimalText("0.30000000000000004", usd)).toBe(30n);
    expect(parseDecimalText("-8.209999999999999", usd)).toBe(-821n);
    expect(parseDecimalText("1e-9", usd)).toBe(0n);
  });

  it.each(["12.345", "1.5e-2", "", "abc", "1,5", "NaN", "1e999", "0x10", "1 2", "9".repeat(19)])(
    "refuses %j",
    (text) => {
      expect(() => parseDecimalText(text, usd)).toThrow(DomainError);
    },
  );

  it("gives back every amount that was written exactly", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), (minor) => {
        expect(parseDecimalText(toMajorText(minor, usd), usd)).toBe(minor);
      }),
    );
  });
});

describe("parseJsonAmounts", () => {
  it("keeps the text of named numbers and leaves the others alone", () => {
    const text =
      '{"amount": 0.10, "count": 2, "nested": [{"amount": -90071992547409.93, "balance": null}], "s": "1.0"}';
    expect(parseJsonAmounts(text, new Set(["amount", "balance"]))).toEqual({
      amount: "0.10",
      count: 2,
      nested: [{ amount: "-90071992547409.93", balance: null }],
      s: "1.0",
    });
  });

  it("has nothing to say of what is not JSON", () => {
    expect(parseJsonAmounts("<html>", new Set())).toBeUndefined();
  });
});
