import { describe, expect, it } from "vitest";
import { paymentWith } from "../testing/payment-facts.ts";
import { composeEvent } from "./payment-event.ts";

const at = new Date("2026-03-01T10:00:00.000Z");
const eventId = "0190a2b4-7c1d-7e2f-8a3b-4c5d6e7f8091";

function data(change: Omit<Parameters<typeof composeEvent>[0], "eventId" | "at">): Record<string, unknown> {
  const event = composeEvent({ eventId, at, ...change });
  const body = JSON.parse(event.body) as { data: Record<string, unknown> }; // written by composeEvent
  expect(body).toMatchObject({ id: eventId, type: change.type, timestamp: at.toISOString() });
  return body.data;
}

describe("composeEvent", () => {
  it("tells an authorization in dollars, with no sums that do not exist yet", () => {
    expect(data({ type: "payment.authorized", payment: paymentWith({ amountMinor: 1_234n }) })).toEqual({
      transactionId: paymentWith().paymentId,
      merchantId: "merchant-1",
      orderId: "order-1",
      amount: 12.34,
      currency: "CAD",
      status: "authorized",
      authorizationCode: "AUTH-00000001",
    });
  });

  it("tells a capture by the captured amount, twice", () => {
    const payment = paymentWith({ status: "captured", amountMinor: 10_000n, capturedMinor: 2_550n });
    expect(data({ type: "payment.captured", payment })).toMatchObject({ amount: 25.5, capturedAmount: 25.5 });
  });

  it("tells a refund by its own amount and the sum of all", () => {
    const payment = paymentWith({ status: "captured", capturedMinor: 5_000n, refundedMinor: 3_000n });
    const refund = { refundId: "r1", amountMinor: 1_000n };
    const told = data({ type: "payment.refunded", payment, refund });
    expect(told).toMatchObject({ amount: 10, refundedAmount: 30, refundId: "r1", status: "captured" });
  });

  it("tells why a payment was declined", () => {
    const payment = paymentWith({ status: "declined", authorizationCode: undefined, declineReason: "Unknown bank" });
    expect(data({ type: "payment.declined", payment })).toMatchObject({
      status: "declined",
      declineReason: "Unknown bank",
    });
  });
});
