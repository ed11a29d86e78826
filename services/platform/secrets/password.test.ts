import { describe, expect, it } from "vitest";
import { genericErrors, translateError } from "../errors/error-table.ts";
import { hashPassword, PasswordQueueFull, verifyPassword } from "./password.ts";

// Made once with N = 2^10 so that the checks on broken strings stay cheap; the salt is sixteen zero bytes.
const cheap = "scrypt$10$8$1$AAAAAAAAAAAAAAAAAAAAAA$";

describe("hashPassword", () => {
  it("verifies the right password and no other", async () => {
    const stored = await hashPassword("correct horse");
    expect(stored).toMatch(/^scrypt\$15\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
    expect(await verifyPassword("correct horse", stored)).toBe(true);
    expect(await verifyPassword("correct horsf", stored)).toBe(false);
  });

  it("salts, so two hashes of one password differ", async () => {
    expect(await hashPassword("same")).not.toBe(await hashPassword("same"));
  });

  it("takes a composed and a decomposed letter for the same password", async () => {
    const stored = await hashPassword("caf\u00e9");
    expect(await verifyPassword("cafe\u0301", stored)).toBe(true);
  });

  it("refuses an empty and an overlong password", async () => {
    await expect(hashPassword("")).rejects.toThrow(RangeError);
    await expect(hashPassword("x".repeat(1025))).rejects.toThrow(RangeError);
  });
});

describe("verifyPassword", () => {
  it("answers false, without work, for stored strings it cannot read", async () => {
    const hash = "A".repeat(43);
    const broken = [
      "",
      "plain",
      `${cheap}`,
      `scrypt$31$8$1$AAAAAAAAAAAAAAAAAAAAAA$${hash}`,
      `scrypt$15$8$3$short$${hash}`,
    ];
    for (const stored of broken) expect(await verifyPassword("x", stored)).toBe(false);
  });

  it("reads parameters from the stored string", async () => {
    const { scryptSync } = await import("node:crypto");
    const hash = scryptSync("secret", Buffer.alloc(16), 32, { N: 1024, r: 8, p: 1 }).toString("base64url");
    expect(await verifyPassword("secret", cheap + hash)).toBe(true);
    expect(await verifyPassword("other", cheap + hash)).toBe(false);
  });

  it("answers every caller of a burst, and refuses what is beyond the queue", async () => {
    const stored = `${cheap}${"A".repeat(43)}`;
    const results = await Promise.allSettled(Array.from({ length: 300 }, () => verifyPassword("x", stored)));
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBe(300 - 256 - 2);
    for (const result of refused) {
      expect(result.reason).toBeInstanceOf(PasswordQueueFull);
      expect(translateError(genericErrors, result.reason)).toMatchObject({ http: 503, error: "unavailable" });
    }
    expect(await verifyPassword("x", stored)).toBe(false);
  });
});
