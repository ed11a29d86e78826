import type { Bank } from "../domain/bank-directory.ts";
import type { AuthorizeOutcome } from "../domain/bank-outcome.ts";
import { authorizationLifeMs, type Payment } from "../domain/payment.ts";
import { composeEvent, type PaymentEventType } from "../domain/payment-event.ts";
import type { DoubtfulHold, NewPayment, PaymentOutcome } from "../storage/payment-writer.ts";

const eventTypes: Readonly<Record<PaymentOutcome["status"], PaymentEventType>> = Object.freeze({
  authorized: "payment.authorized",
  declined: "payment.declined",
  failed: "payment.failed",
});

/** What a decided payment is written with: its new state, the event, and what to do about a hold in doubt. */
export function outcomeOf(
  payment: Pick<NewPayment, "merchantId" | "paymentId" | "orderId" | "amountMinor" | "currency">,
  bank: Pick<Bank, "voidByKey"> | undefined,
  answer: AuthorizeOutcome,
  made: { readonly at: Date; readonly eventId: string },
): PaymentOutcome {
  const status = statusOf(answer);
  const authorizationCode = answer.kind === "approved" ? answer.authorizationCode : undefined;
  const declineReason = answer.kind === "approved" ? undefined : answer.reason;
  const event = composeEvent({
    eventId: made.eventId,
    type: eventTypes[status],
    at: made.at,
    payment: { ...payment, status, authorizationCode, declineReason, capturedMinor: 0n, refundedMinor: 0n },
  });
  return {
    merchantId: payment.merchantId,
    paymentId: payment.paymentId,
    status,
    authorizationCode,
    declineReason,
    decidedAt: made.at,
    expiresAt: status === "authorized" ? new Date(made.at.getTime() + authorizationLifeMs) : undefined,
    event,
    doubtfulHold: doubtOf(bank, answer),
  };
}

function statusOf(answer: AuthorizeOutcome): PaymentOutcome["status"] {
  switch (answer.kind) {
    case "approved":
      return "authorized";
    case "declined":
    case "failed":
      return answer.kind;
    default: {
      const impossible: never = answer;
      throw new Error(`unreachable answer ${String(impossible)}`);
    }
  }
}

/** A bank that is not known any more cannot be asked by program. */
function doubtOf(bank: Pick<Bank, "voidByKey"> | undefined, answer: AuthorizeOutcome): DoubtfulHold | undefined {
  if (answer.kind !== "failed" || !answer.holdPossible) return undefined;
  return bank?.voidByKey === true ? "release" : "list";
}

/** The payment as it stands once its outcome is written. */
export function decidedPayment(payment: NewPayment, outcome: PaymentOutcome): Payment {
  return {
    ...payment,
    status: outcome.status,
    authorizationCode: outcome.authorizationCode,
    declineReason: outcome.declineReason,
    capturedMinor: 0n,
    refundedMinor: 0n,
    openOperationId: undefined,
    updatedAt: outcome.decidedAt,
    decidedAt: outcome.decidedAt,
    expiresAt: outcome.expiresAt,
  };
}
