import { describe, expect, it } from "vitest";
import { parseCurrency } from "../../platform/money/currency.ts";
import { paymentWith } from "../testing/payment-facts.ts";
import { decideKeyedReplay, decideOrderReplay } from "./authorize-replay.ts";

describe("a repeat under an Idempotency-Key", () => {
  it("gives the first answer for the same body and refuses another", () => {
    const first = paymentWith({ requestHash: Buffer.alloc(32, 1) });
    expect(decideKeyedReplay(first, Buffer.alloc(32, 1))).toBe("answer_first");
    expect(() => decideKeyedReplay(first, Buffer.alloc(32, 2))).toThrow("IDEMPOTENCY_CONFLICT");
  });
});

describe("a repeat of an order without a key", () => {
  const wanted = { amountMinor: 10_000n, currency: parseCurrency("CAD") };

  it.each(["pending", "authorized", "captured", "refunded"] as const)(
    "gives the first answer while it is %s, and refuses another amount or currency",
    (status) => {
      const first = paymentWith({ status, amountMinor: 10_000n });
      expect(decideOrderReplay(first, wanted)).toBe("answer_first");
      expect(() => decideOrderReplay(first, { ...wanted, amountMinor: 9_999n })).toThrow("ORDER_CONFLICT");
      expect(() => decideOrderReplay(first, { ...wanted, currency: parseCurrency("USD") })).toThrow("ORDER_CONFLICT");
    },
  );

  it.each(["declined", "failed", "voided", "expired"] as const)(
    "tries anew after %s, also for another amount",
    (status) => {
      expect(decideOrderReplay(paymentWith({ status }), wanted)).toBe("next_attempt");
      expect(decideOrderReplay(paymentWith({ status }), { ...wanted, amountMinor: 1n })).toBe("next_attempt");
    },
  );
});
