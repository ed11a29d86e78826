import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { associatedData } from "./associated-data.ts";
import { createSealedBox, keyIdOfRecord, SealedRecordError } from "./sealed-box.ts";

const key = randomBytes(32);
const box = createSealedBox({ keys: new Map([["k1", key]]), currentKeyId: "k1" });

describe("a sealed box", () => {
  it("opens what it sealed, for any secret and any associated data", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (secret, place) => {
        expect(box.open(box.seal(secret, place), place).equals(secret)).toBe(true);
      }),
    );
  });

  it("refuses a record moved to another place", () => {
    const record = box.seal("secret", "row-1");
    expect(failureOf(() => box.open(record, "row-2"))).toBe("rejected");
  });

  it("refuses a record with any one bit flipped", () => {
    const record = box.seal("a secret of some length", "row");
    for (let bit = 0; bit < record.length * 8; bit++) {
      const flipped = Buffer.from(record);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => box.open(flipped, "row"), `bit ${bit}`).toThrow(SealedRecordError);
    }
  });

  it("refuses a record cut off at any byte, or with bytes added", () => {
    const record = box.seal("secret", "row");
    for (let length = 0; length < record.length; length++) {
      expect(() => box.open(record.subarray(0, length), "row")).toThrow(SealedRecordError);
    }
    expect(failureOf(() => box.open(Buffer.concat([record, Buffer.alloc(1)]), "row"))).toBe("rejected");
  });

  it("refuses a record of another key of the same name, and names an unknown key as such", () => {
    const other = createSealedBox({ keys: new Map([["k1", randomBytes(32)]]), currentKeyId: "k1" });
    expect(failureOf(() => box.open(other.seal("secret", "row"), "row"))).toBe("rejected");
    const later = createSealedBox({ keys: new Map([["k2", key]]), currentKeyId: "k2" });
    expect(failureOf(() => box.open(later.seal("secret", "row"), "row"))).toBe("unknown_key");
  });

  it("authenticates the key id, so a record cannot be relabelled to a key with the same bytes", () => {
    const twins = createSealedBox({
      keys: new Map([
        ["k1", key],
        ["k2", key],
      ]),
      currentKeyId: "k1",
    });
    const relabelled = twins.seal("secret", "row");
    relabelled.write("k2", 2, "ascii");
    expect(failureOf(() => twins.open(relabelled, "row"))).toBe("rejected");
  });

  it("keeps opening records of the old key after the current one changed", () => {
    const record = box.seal("secret", "row");
    const rotated = createSealedBox({
      keys: new Map([
        ["k1", key],
        ["k2", randomBytes(32)],
      ]),
      currentKeyId: "k2",
    });
    expect(rotated.open(record, "row").toString()).toBe("secret");
    expect(keyIdOfRecord(record)).toBe("k1");
    expect(keyIdOfRecord(rotated.seal("secret", "row"))).toBe("k2");
  });

  it("never seals one secret to the same bytes twice", () => {
    const records = new Set(Array.from({ length: 1000 }, () => box.seal("secret", "row").toString("hex")));
    expect(records.size).toBe(1000);
  });

  it("keeps working when the caller wipes his copy of the key", () => {
    const given = randomBytes(32);
    const made = createSealedBox({ keys: new Map([["k1", given]]), currentKeyId: "k1" });
    const record = made.seal("secret", "row");
    given.fill(0);
    expect(made.open(record, "row").toString()).toBe("secret");
  });

  it("neither seals nor opens once its keys are wiped", () => {
    const made = createSealedBox({ keys: new Map([["k1", key]]), currentKeyId: "k1" });
    const record = made.seal("secret", "row");
    made.wipe();
    expect(() => made.seal("secret", "row")).toThrow("after its keys were wiped");
    expect(() => made.open(record, "row")).toThrow("after its keys were wiped");
  });

  it("refuses keys of a wrong size or name, a missing current key, and a secret above 1 MiB", () => {
    expect(() => createSealedBox({ keys: new Map([["k", randomBytes(16)]]), currentKeyId: "k" })).toThrow(RangeError);
    expect(() => createSealedBox({ keys: new Map([["k 1", key]]), currentKeyId: "k 1" })).toThrow(RangeError);
    expect(() => createSealedBox({ keys: new Map([["k1", key]]), currentKeyId: "k2" })).toThrow(RangeError);
    expect(() => box.seal(Buffer.alloc(1024 * 1024 + 1), "row")).toThrow(RangeError);
  });

  it("tells nothing of the secret in its errors", () => {
    const record = box.seal("very-secret", "row");
    try {
      box.open(record, "other");
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toContain("very-secret");
      expect(error instanceof Error && error.cause).toBe(undefined);
    }
  });
});

describe("associatedData", () => {
  it("gives different bytes for different facts, whatever the texts hold", () => {
    const fact = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 });
    fc.assert(
      fc.property(fact, fact, (left, right) => {
        const same = JSON.stringify(Object.entries(left).sort()) === JSON.stringify(Object.entries(right).sort());
        expect(associatedData(left).equals(associatedData(right))).toBe(same);
      }),
    );
    expect(associatedData({ a: "b", c: "d" }).equals(associatedData({ a: "bc", c: "d" }))).toBe(false);
  });

  it("refuses lone surrogates, which UTF-8 cannot tell apart", () => {
    expect(() => associatedData({ a: "\ud800" })).toThrow(RangeError);
  });

  it("does not depend on the order the facts are written in", () => {
    expect(associatedData({ a: 1, b: 2 }).equals(associatedData({ b: 2, a: 1 }))).toBe(true);
  });
});

function failureOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof SealedRecordError) return error.failure;
    throw error;
  }
  return undefined;
}
