import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DomainError } from "../errors/domain-error.ts";
import { amountMinorMax, parseAmount, parseBalance, toMajorNumber, toMajorText } from "./amount.ts";
import { parseCurrency } from "./currency.ts";

const cad = parseCurrency("CAD");
const jpy = parseCurrency("JPY");
const kwd = parseCurrency("KWD");

describe("parseAmount", () => {
  it("reads numbers and decimal text to minor units of the currency", () => {
    expect(parseAmount(12.34, cad)).toBe(1234n);
    expect(parseAmount("12.34", cad)).toBe(1234n);
    expect(parseAmount("12.30", cad)).toBe(1230n);
    expect(parseAmount("12.3400", cad)).toBe(1234n);
    expect(parseAmount(0.1, cad)).toBe(10n);
    expect(parseAmount(500, jpy)).toBe(500n);
    expect(parseAmount(1.234, kwd)).toBe(1234n);
  });

  it.each([0, -1, -0.01, Number.NaN, Number.POSITIVE_INFINITY, 0.30000000000000004, 1.005, 12.345, 1e15, 1e21, 1e-7])(
    "refuses %s",
    (value) => {
      expect(() => parseAmount(value, cad)).toThrow(DomainError);
    },
  );

  it.each(["", " ", "abc", "1,5", "1.", ".5", "+1", "0x10", "1e3", "--1", "NaN", "Infinity", "1.234", "9".repeat(40)])(
    "refuses the text %j",
    (value) => {
      expect(() => parseAmount(value, cad)).toThrow(DomainError);
    },
  );

  it("refuses a fraction of a currency without decimals", () => {
    expect(() => parseAmount(1.5, jpy)).toThrow(DomainError);
  });

  it("takes the largest amount and refuses one minor unit more", () => {
    expect(parseAmount(toMajorText(amountMinorMax, cad), cad)).toBe(amountMinorMax);
    expect(() => parseAmount(toMajorText(amountMinorMax + 1n, cad), cad)).toThrow(DomainError);
  });

  it("is the inverse of both ways to write an amount", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: amountMinorMax }), fc.constantFrom(cad, jpy, kwd), (minor, currency) => {
        expect(parseAmount(toMajorNumber(minor, currency), currency)).toBe(minor);
        expect(parseAmount(toMajorText(minor, currency), currency)).toBe(minor);
      }),
    );
  });
});

describe("parseBalance", () => {
  it("takes zero and negative balances", () => {
    expect(parseBalance(0, cad)).toBe(0n);
    expect(parseBalance(-12.5, cad)).toBe(-1250n);
  });
});

describe("parseCurrency", () => {
  it.each(["cad", "XX", "", "CADX", "ZZZ"])("refuses %j", (text) => {
    expect(() => parseCurrency(text)).toThrow(DomainError);
  });
});
