import type { Payment } from "./payment.ts";
import { nextStatus, type PaymentEventKind, type PaymentStatus } from "./payment-state.ts";

/** What a merchant can do with an authorized payment. */
export type OperationKind = "capture" | "void" | "refund";

/**
 * `open`: written down, the bank's answer not known yet. `unresolved`: never to be known by program, an operator settles
 * it with the bank; the payment takes no other operation meanwhile.
 */
export type OperationState = "open" | "succeeded" | "refused" | "unresolved";

/** A capture, void or refund as stored; its id is the bank's `Idempotency-Key`. Amounts are minor units. */
export interface Operation {
  readonly merchantId: string;
  readonly operationId: string;
  readonly paymentId: string;
  readonly bankId: string;
  readonly kind: OperationKind;
  /** What is captured or refunded; for a void the whole hold. */
  readonly amountMinor: bigint;
  readonly state: OperationState;
  /** True once nobody waits for the bank's answer any more and a job settles it. */
  readonly settling: boolean;
  /** Under which a refund is recognised when it comes again. */
  readonly requestKey: Buffer | undefined;
  /** The amount the merchant asked for; absent means all that is left. */
  readonly askedMinor: bigint | undefined;
  /** Whether the bank could not be reached, for a refused one. */
  readonly unreachable: boolean;
  /** Calls made to the bank by the settling job. */
  readonly attempts: number;
  /** The payment's state and refunded sum once this had succeeded. */
  readonly statusAfter: PaymentStatus | undefined;
  readonly refundedAfterMinor: bigint | undefined;
  readonly createdAt: Date;
  readonly finishedAt: Date | undefined;
}

/**
 * What an operation comes to before any bank is asked. `done`: it was done before, answer as then. `refused` shows
 * `failed` instead of the real state where `showFailed` is set.
 */
export type OperationDecision =
  | { readonly kind: "proceed"; readonly amountMinor: bigint }
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly why: string; readonly showFailed: boolean };

/** A capture of `amountMinor`, the whole hold when undefined. At most the authorized amount, once. */
export function decideCapture(payment: Payment, amountMinor: bigint | undefined): OperationDecision {
  if (payment.status === "captured" && (amountMinor ?? payment.capturedMinor) === payment.capturedMinor) {
    return { kind: "done" };
  }
  if (nextStatus(payment.status, "capture") === undefined) return wrongState(payment.status);
  const wanted = amountMinor ?? payment.amountMinor;
  if (wanted > payment.amountMinor) return refused("The amount is more than was authorized", false);
  return { kind: "proceed", amountMinor: wanted };
}

/** A void of the whole hold. */
export function decideVoid(payment: Payment): OperationDecision {
  if (payment.status === "voided") return { kind: "done" };
  if (nextStatus(payment.status, "void") === undefined) return wrongState(payment.status);
  return { kind: "proceed", amountMinor: payment.amountMinor };
}

/** A refund of `amountMinor`, all that is left when undefined. The sum never passes the captured amount. */
export function decideRefund(payment: Payment, amountMinor: bigint | undefined): OperationDecision {
  if (payment.status === "refunded") return { kind: "done" };
  if (nextStatus(payment.status, "refund_rest") === undefined) return wrongState(payment.status);
  const left = payment.capturedMinor - payment.refundedMinor;
  const wanted = amountMinor ?? left;
  if (wanted > left) return refused("The amount is more than is left to refund", true);
  return { kind: "proceed", amountMinor: wanted };
}

/** The payment's amounts and state after a successful operation. Throws when the machine does not allow it. */
export function applyOperation(
  payment: Payment,
  operation: Pick<Operation, "kind" | "amountMinor">,
): Pick<Payment, "status" | "capturedMinor" | "refundedMinor"> {
  const captured = operation.kind === "capture" ? operation.amountMinor : payment.capturedMinor;
  const refunded = payment.refundedMinor + (operation.kind === "refund" ? operation.amountMinor : 0n);
  if (captured > payment.amountMinor || refunded > captured)
    throw new Error("an operation passes its payment's amount");
  const status = nextStatus(payment.status, eventOf(operation.kind, refunded === captured));
  if (status === undefined) throw new Error(`${operation.kind} is not possible from ${payment.status}`);
  return { status, capturedMinor: captured, refundedMinor: refunded };
}

function eventOf(kind: OperationKind, nothingLeft: boolean): PaymentEventKind {
  switch (kind) {
    case "capture":
      return "capture";
    case "void":
      return "void";
    case "refund":
      return nothingLeft ? "refund_rest" : "refund_part";
    default: {
      const impossible: never = kind;
      throw new Error(`unreachable operation ${String(impossible)}`);
    }
  }
}

function wrongState(status: PaymentStatus): OperationDecision {
  return refused(`The payment is ${status}`, false);
}

function refused(why: string, showFailed: boolean): OperationDecision {
  return { kind: "refused", why, showFailed };
}
