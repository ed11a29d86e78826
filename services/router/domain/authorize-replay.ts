import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Payment } from "./payment.ts";
import type { PaymentStatus } from "./payment-state.ts";

/** What to do when the payment an authorize would make is there already. */
export type ReplayDecision = "answer_first" | "next_attempt";

/**
 * A repeat under an Idempotency-Key: the first answer, if the body is the same.
 * Throws `IDEMPOTENCY_CONFLICT` for another body.
 */
export function decideKeyedReplay(first: Payment, requestHash: Buffer): ReplayDecision {
  if (!first.requestHash.equals(requestHash)) throw new DomainError("IDEMPOTENCY_CONFLICT");
  return "answer_first";
}

/**
 * Whether an order may be tried anew after an attempt in this state. `refunded` is not one of them: the order was paid, and
 * a late repeat of its request must not take the money again. A merchant who means to charge the order once more says so
 * with an Idempotency-Key.
 */
const orderIsFree: Readonly<Record<PaymentStatus, boolean>> = Object.freeze({
  pending: false,
  authorized: false,
  captured: false,
  refunded: false,
  declined: true,
  failed: true,
  voided: true,
  expired: true,
});

/**
 * A repeat without a key, recognised by merchant and order: the first answer while the order is live and the amount the
 * same, a new attempt after one that took no money. Throws `ORDER_CONFLICT` for another amount at a live order.
 */
export function decideOrderReplay(last: Payment, wanted: Pick<Payment, "amountMinor" | "currency">): ReplayDecision {
  if (orderIsFree[last.status]) return "next_attempt";
  if (last.amountMinor !== wanted.amountMinor || last.currency !== wanted.currency) {
    throw new DomainError("ORDER_CONFLICT");
  }
  return "answer_first";
}
