import { describe, expect, it } from "vitest";
import { hashesEqual, keyedHash, textsEqual } from "./keyed-hash.ts";

describe("keyedHash", () => {
  it("gives the HMAC-SHA256 of RFC 4231, test case 2", () => {
    expect(keyedHash("Jefe", "what do ya want for nothing?").toString("hex")).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
  });

  it("gives different hashes under different peppers", () => {
    expect(hashesEqual(keyedHash("pepper-a", "key"), keyedHash("pepper-b", "key"))).toBe(false);
  });

  it("takes the pepper as text or as the same bytes", () => {
    expect(hashesEqual(keyedHash("pepper", "key"), keyedHash(Buffer.from("pepper"), "key"))).toBe(true);
  });

  it("refuses an empty pepper", () => {
    expect(() => keyedHash("", "key")).toThrow(RangeError);
    expect(() => keyedHash(new Uint8Array(0), "key")).toThrow(RangeError);
  });
});

describe("hashesEqual", () => {
  it("answers false for different lengths instead of throwing", () => {
    expect(hashesEqual(Buffer.from("ab"), Buffer.from("abc"))).toBe(false);
  });

  it("tells hashes apart that differ in one bit", () => {
    const hash = keyedHash("pepper", "key");
    const flipped = Buffer.from(hash);
    flipped[31] = (flipped[31] ?? 0) ^ 1;
    expect(hashesEqual(hash, hash)).toBe(true);
    expect(hashesEqual(hash, flipped)).toBe(false);
  });
});

describe("textsEqual", () => {
  it("compares texts of any length", () => {
    expect(textsEqual("", "")).toBe(true);
    expect(textsEqual("secret", "secret")).toBe(true);
    expect(textsEqual("secret", "secreT")).toBe(false);
    expect(textsEqual("secret", "secret ")).toBe(false);
  });
});
