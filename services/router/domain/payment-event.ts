import { toMajorNumber } from "../../platform/money/amount.ts";
import type { Payment } from "./payment.ts";

/** The types a merchant can subscribe to. */
export type PaymentEventType =
  | "payment.authorized"
  | "payment.captured"
  | "payment.voided"
  | "payment.refunded"
  | "payment.declined"
  | "payment.expired"
  | "payment.failed";

/** One state change as told to the merchant: `body` is the exact text that will be signed and sent. */
export interface PaymentEvent {
  readonly eventId: string;
  readonly type: PaymentEventType;
  readonly body: string;
}

/** What an event tells of a payment, after the change. */
export type EventPayment = Pick<
  Payment,
  "merchantId" | "paymentId" | "orderId" | "amountMinor" | "currency" | "status" | "capturedMinor" | "refundedMinor"
> & {
  readonly authorizationCode?: string | undefined;
  readonly declineReason?: string | undefined;
};

/** A change to tell. `refund` is set for `payment.refunded` alone; its amount is this refund's. */
export interface PaymentChange {
  readonly eventId: string;
  readonly type: PaymentEventType;
  readonly at: Date;
  readonly payment: EventPayment;
  readonly refund?: { readonly refundId: string; readonly amountMinor: bigint };
}

/**
 * Writes the webhook body of a change. Amounts are decimal major units: `amount` is the captured amount on captured and
 * this refund's on refunded, where the cumulative sum is `refundedAmount`; else the authorized amount.
 */
export function composeEvent(change: PaymentChange): PaymentEvent {
  const { payment, refund } = change;
  const major = (minor: bigint): number => toMajorNumber(minor, payment.currency);
  const captured = change.type === "payment.captured";
  const data = {
    transactionId: payment.paymentId,
    merchantId: payment.merchantId,
    orderId: payment.orderId,
    amount: major(refund?.amountMinor ?? (captured ? payment.capturedMinor : payment.amountMinor)),
    currency: payment.currency,
    status: payment.status,
    authorizationCode: payment.authorizationCode,
    declineReason: payment.declineReason,
    capturedAmount: captured ? major(payment.capturedMinor) : undefined,
    refundedAmount: refund === undefined ? undefined : major(payment.refundedMinor),
    refundId: refund?.refundId,
  };
  const body = { id: change.eventId, type: change.type, timestamp: change.at.toISOString(), data };
  return { eventId: change.eventId, type: change.type, body: JSON.stringify(body) };
}
