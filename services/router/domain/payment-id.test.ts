import fc from "fast-check";
import { expect, it } from "vitest";
import { createPaymentIds } from "./payment-id.ts";

const ids = createPaymentIds("a payment id key for tests, 32 long");

it("gives the same id for the same merchant and key, and a version 8 UUID", () => {
  const id = ids.forKey("merchant-1", "key-1");
  expect(ids.forKey("merchant-1", "key-1")).toBe(id);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

it("gives another id for another merchant, key, order, attempt, form or secret", () => {
  const all = [
    ids.forKey("m1", "k1"),
    ids.forKey("m2", "k1"),
    ids.forKey("m1", "k2"),
    ids.forKey("m1k", "1"),
    ids.forOrder("m1", "k1", 1),
    ids.forOrder("m1", "k1", 2),
    ids.forOrder("m1", "k11", 1),
    createPaymentIds("another payment id key for tests, 32").forKey("m1", "k1"),
  ];
  expect(new Set(all).size).toBe(all.length);
});

it("keeps parts apart wherever the text is cut", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(20), (left, right, shift) => {
      const joined = left + right;
      const cut = Math.min(shift, joined.length);
      fc.pre(joined.slice(0, cut) !== left);
      expect(ids.forKey(joined.slice(0, cut), joined.slice(cut))).not.toBe(ids.forKey(left, right));
    }),
  );
});
