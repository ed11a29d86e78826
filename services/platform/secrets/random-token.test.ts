import { describe, expect, it } from "vitest";
import { randomDigits, randomHex, randomToken } from "./random-token.ts";

describe("randomToken", () => {
  it("gives 256 bits in base64url, never the same twice", () => {
    const tokens = new Set(Array.from({ length: 1000 }, () => randomToken()));
    expect(tokens.size).toBe(1000);
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it("refuses sizes outside its limits", () => {
    for (const size of [0, 3, -1, 1.5, 1025, Number.NaN]) expect(() => randomToken(size)).toThrow(RangeError);
  });
});

describe("randomHex", () => {
  it("gives two characters a byte", () => {
    expect(randomHex(6)).toMatch(/^[0-9a-f]{12}$/);
  });
});

describe("randomDigits", () => {
  it("keeps leading zeros and the exact length", () => {
    for (let round = 0; round < 200; round++) expect(randomDigits(6)).toMatch(/^\d{6}$/);
  });

  it("gives every digit about as often as any other", () => {
    const counts = new Array<number>(10).fill(0);
    for (let round = 0; round < 1000; round++) {
      for (const digit of randomDigits(20))
        counts[Number.parseInt(digit, 10)] = (counts[Number.parseInt(digit, 10)] ?? 0) + 1;
    }
    // 2000 expected each, standard deviation 42: ten of them wide on either side.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(420);
  });

  it("refuses zero, negative, fractional and absurd lengths", () => {
    for (const count of [0, -1, 2.5, 33]) expect(() => randomDigits(count)).toThrow(RangeError);
  });
});
