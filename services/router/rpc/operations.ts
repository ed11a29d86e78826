import type { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { toMajorNumber } from "../../platform/money/amount.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { OperationKind } from "../domain/operation.ts";
import type { Payment } from "../domain/payment.ts";
import { type OperateAnswer, operate } from "../flows/operate.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";
import { failingAs } from "./failing-as.ts";
import { merchantOf } from "./merchant-of.ts";
import { idempotencyKeyOf, optionalText } from "./request-text.ts";

const reasonLengthMax = 500;
/** Kept back from the caller's deadline for answering. */
const answerMs = 500;

const refusalWords: Readonly<Record<OperationKind, string>> = Object.freeze({
  capture: "Capture failed",
  void: "Void failed",
  refund: "Refund failed",
});

const failureReasons: Readonly<Record<OperationKind, string>> = Object.freeze({
  capture: "CAPTURE_FAILED",
  void: "VOID_FAILED",
  refund: "REFUND_FAILED",
});

interface Asked {
  readonly id: string;
  readonly amount?: number | undefined;
  readonly reason?: string | undefined;
}

/**
 * `Capture`, `Void` and `Refund`: 200 when it is done, now or before; else 400 with the same body, the state the payment
 * really has, and `error`. An id that is unknown, or another merchant's, is `failed`.
 */
export function operationHandlers(desk: PaymentDesk): Pick<Handlers<typeof Router>, "capture" | "void" | "refund"> {
  return {
    capture: async (request, ctx) => {
      const answer = await run(desk, "capture", request, ctx);
      const payment = paymentOf(answer);
      return { ...told(desk, "capture", request.id, answer, ctx), capturedAmount: major(payment, "capturedMinor") };
    },
    void: async (request, ctx) => {
      const answer = await run(desk, "void", request, ctx);
      return told(desk, "void", request.id, answer, ctx);
    },
    refund: async (request, ctx) => {
      const answer = await run(desk, "refund", request, ctx);
      const common = told(desk, "refund", request.id, answer, ctx);
      const payment = paymentOf(answer);
      const refund = answer.kind === "done" ? answer.operation : undefined;
      if (refund === undefined || payment === undefined) {
        return { ...common, refundedAmount: major(payment, "refundedMinor") };
      }
      // The first answer of this refund: later ones may have added to the sum.
      return {
        ...common,
        refundId: refund.operationId,
        status: refund.statusAfter ?? payment.status,
        refundedAmount: toMajorNumber(refund.refundedAfterMinor ?? payment.refundedMinor, payment.currency),
      };
    },
  };
}

async function run(desk: PaymentDesk, kind: OperationKind, asked: Asked, ctx: CallContext): Promise<OperateAnswer> {
  const merchantId = merchantOf(ctx);
  if (!isUuid(asked.id)) return { kind: "unknown_payment" };
  const command = {
    kind,
    merchantId,
    paymentId: asked.id,
    amountMajor: asked.amount,
    reason: optionalText("reason", asked.reason, reasonLengthMax),
    idempotencyKey: idempotencyKeyOf(ctx),
    deadlineAtMs: Date.now() + ctx.timeoutMs() - answerMs,
  };
  return failingAs(failureReasons[kind], () => operate(desk, command));
}

interface Told {
  readonly transactionId: string;
  readonly status: string;
  readonly timestamp: string;
  readonly error?: string;
  readonly message?: string;
}

function told(desk: PaymentDesk, kind: OperationKind, id: string, answer: OperateAnswer, ctx: CallContext): Told {
  if (answer.kind === "done") {
    const { payment, operation } = answer;
    // The operation's own time: the payment may have been read before it ended, or have had another since.
    const at = operation?.finishedAt ?? payment.updatedAt;
    return { transactionId: id, status: payment.status, timestamp: at.toISOString() };
  }
  ctx.setHttpStatus(400);
  const timestamp = desk.clock.now().toISOString();
  switch (answer.kind) {
    case "unknown_payment": {
      const error = "Transaction not found";
      return { transactionId: id.slice(0, 64), status: "failed", timestamp, error, message: error };
    }
    case "refused": {
      const status = answer.showFailed ? "failed" : answer.payment.status;
      return { transactionId: id, status, timestamp, error: refusalWords[kind], message: answer.why };
    }
    case "in_progress": {
      const message = "Another operation on this payment is under way; ask again in a moment";
      return { transactionId: id, status: answer.payment.status, timestamp, error: "operation_in_progress", message };
    }
    case "in_doubt": {
      const message =
        "The bank has not answered yet. It is asked again until it does; a repeat of this request joins in.";
      return { transactionId: id, status: answer.payment.status, timestamp, error: "bank_unavailable", message };
    }
    case "unavailable": {
      const message = "The bank is not available right now. Nothing was changed.";
      return { transactionId: id, status: answer.payment.status, timestamp, error: "bank_unavailable", message };
    }
    default: {
      const impossible: never = answer;
      throw new Error(`unreachable answer ${String(impossible)}`);
    }
  }
}

function paymentOf(answer: OperateAnswer): Payment | undefined {
  return answer.kind === "unknown_payment" ? undefined : answer.payment;
}

function major(payment: Payment | undefined, sum: "capturedMinor" | "refundedMinor"): number {
  return payment === undefined ? 0 : toMajorNumber(payment[sum], payment.currency);
}
