import { defaultCurrency } from "../../platform/money/currency.ts";
import type { Payment } from "../domain/payment.ts";

/** A payment of 100.00 CAD with the facts a test does not care about. */
export function paymentWith(facts: Partial<Payment> = {}): Payment {
  const at = new Date("2026-03-01T10:00:00.000Z");
  return {
    merchantId: "merchant-1",
    paymentId: "0f8fad5b-d9cb-869f-a165-70867728950e",
    orderId: "order-1",
    attempt: 1,
    requestHash: Buffer.alloc(32),
    bankId: "north-bank",
    amountMinor: 10_000n,
    currency: defaultCurrency,
    merchantName: undefined,
    description: undefined,
    metadataJson: undefined,
    status: "authorized",
    authorizationCode: "AUTH-00000001",
    declineReason: undefined,
    capturedMinor: 0n,
    refundedMinor: 0n,
    openOperationId: undefined,
    createdAt: at,
    updatedAt: at,
    decidedAt: at,
    expiresAt: undefined,
    ...facts,
  };
}
