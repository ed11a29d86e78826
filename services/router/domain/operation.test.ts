import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paymentWith } from "../testing/payment-facts.ts";
import { applyOperation, decideCapture, decideRefund, decideVoid, type OperationDecision } from "./operation.ts";
import type { Payment } from "./payment.ts";
import { nextStatus, type PaymentEventKind, paymentStatuses, paymentTransitions } from "./payment-state.ts";

describe("the payment machine", () => {
  it("has exactly the transitions of the contract", () => {
    const listed = paymentStatuses.flatMap((from) =>
      Object.entries(paymentTransitions[from]).map(([event, to]) => `${from} ${event} ${to}`),
    );
    expect(listed).toEqual([
      "pending approve authorized",
      "pending decline declined",
      "pending fail failed",
      "authorized capture captured",
      "authorized void voided",
      "authorized expire expired",
      "captured refund_part captured",
      "captured refund_rest refunded",
    ]);
  });

  it("never leaves a final state, and fails only from pending", () => {
    const events: PaymentEventKind[] = ["approve", "decline", "fail", "capture", "void", "expire", "refund_part"];
    for (const final of ["declined", "failed", "voided", "expired", "refunded"] as const) {
      for (const event of events) expect(nextStatus(final, event)).toBeUndefined();
    }
    expect(paymentStatuses.filter((from) => nextStatus(from, "fail") !== undefined)).toEqual(["pending"]);
  });
});

describe("decisions", () => {
  const authorized = paymentWith({ status: "authorized", amountMinor: 10_000n });
  const captured = paymentWith({
    status: "captured",
    amountMinor: 10_000n,
    capturedMinor: 6_000n,
    refundedMinor: 1_000n,
  });

  it("captures the whole hold when no amount is named, and never more than it", () => {
    expect(decideCapture(authorized, undefined)).toEqual({ kind: "proceed", amountMinor: 10_000n });
    expect(decideCapture(authorized, 10_001n)).toMatchObject({ kind: "refused", showFailed: false });
  });

  it("answers a repeated capture as done and refuses one of another amount", () => {
    expect(decideCapture(captured, undefined)).toEqual({ kind: "done" });
    expect(decideCapture(captured, 6_000n)).toEqual({ kind: "done" });
    expect(decideCapture(captured, 5_000n)).toMatchObject({ kind: "refused" });
  });

  it("refunds what is left when no amount is named, and never more", () => {
    expect(decideRefund(captured, undefined)).toEqual({ kind: "proceed", amountMinor: 5_000n });
    expect(decideRefund(captured, 5_001n)).toMatchObject({ kind: "refused", showFailed: true });
    expect(decideRefund(paymentWith({ status: "refunded" }), 1n)).toEqual({ kind: "done" });
  });

  it("shows the real state when the state forbids the operation", () => {
    expect(decideRefund(authorized, undefined)).toMatchObject({ kind: "refused", showFailed: false });
    expect(decideVoid(captured)).toMatchObject({ kind: "refused", showFailed: false });
    expect(decideVoid(paymentWith({ status: "voided" }))).toEqual({ kind: "done" });
  });
});

it("any sequence of operations keeps refunded within captured within authorized, and ends only where it may", () => {
  const step = fc.record({
    kind: fc.constantFrom("capture" as const, "void" as const, "refund" as const),
    amount: fc.option(fc.bigInt({ min: 1n, max: 150n }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let payment: Payment = paymentWith({ status: "authorized", amountMinor: 100n });
      for (const { kind, amount } of steps) {
        const decision: OperationDecision =
          kind === "capture"
            ? decideCapture(payment, amount)
            : kind === "void"
              ? decideVoid(payment)
              : decideRefund(payment, amount);
        if (decision.kind !== "proceed") continue;
        payment = { ...payment, ...applyOperation(payment, { kind, amountMinor: decision.amountMinor }) };
        expect(payment.capturedMinor <= payment.amountMinor).toBe(true);
        expect(payment.refundedMinor <= payment.capturedMinor).toBe(true);
        expect(payment.status === "refunded").toBe(
          payment.capturedMinor > 0n && payment.refundedMinor === payment.capturedMinor,
        );
        if (payment.status === "voided") expect(payment.capturedMinor).toBe(0n);
      }
    }),
  );
});
