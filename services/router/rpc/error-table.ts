import { type ErrorTable, genericErrors } from "../../platform/errors/error-table.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";

/** A failure of ours in a method of the payment API; `error` is the text existing merchants compare. */
function failure(error: string): ErrorTable[string] {
  return { code: GrpcCode.INTERNAL, http: 500, error, message: "Something went wrong on our side" };
}

const invalidAmount = "Invalid amount";

/** How the Router tells its refusals; words by the payment API merchants already speak. */
export const routerErrors: ErrorTable = Object.freeze({
  ...genericErrors,
  REQUIRED_FIELDS_MISSING: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "Missing required fields",
    message: "Missing required fields",
    members: (facts) => ({ required: facts["required"] ?? [] }),
  },
  AMOUNT_INVALID: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: invalidAmount,
    message: (facts) => (typeof facts["why"] === "string" ? `${invalidAmount}: ${facts["why"]}` : invalidAmount),
  },
  CURRENCY_INVALID: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "Invalid currency",
    message: "Invalid currency: an ISO 4217 code is needed",
  },
  PAYMENT_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "Transaction not found",
    message: "Transaction not found",
  },
  IDEMPOTENCY_CONFLICT: {
    code: GrpcCode.ABORTED,
    http: 409,
    error: "idempotency_conflict",
    message: "This Idempotency-Key was used for another request",
  },
  ORDER_CONFLICT: {
    code: GrpcCode.ABORTED,
    http: 409,
    error: "order_conflict",
    message: "This order has a payment of another amount; send an Idempotency-Key to make one more",
  },
  OPERATION_IN_PROGRESS: {
    code: GrpcCode.ABORTED,
    http: 409,
    error: "operation_in_progress",
    message: "The same request is still being worked on; ask again in a moment",
  },
  RECONCILIATION_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "reconciliation_not_found",
    message: "There is no such entry to reconcile",
  },
  RECONCILIATION_CONFLICT: {
    code: GrpcCode.ABORTED,
    http: 409,
    error: "conflict",
    message: "This entry was resolved the other way",
  },
  AUTHORIZATION_FAILED: failure("Authorization failed"),
  CAPTURE_FAILED: failure("Capture failed"),
  VOID_FAILED: failure("Void failed"),
  REFUND_FAILED: failure("Refund failed"),
} satisfies ErrorTable);
