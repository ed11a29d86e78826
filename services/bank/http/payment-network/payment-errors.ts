import { type ErrorTable, genericErrors } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";
import { httpErrors } from "../../../platform/http/http-errors.ts";

/** The payment network's words: texts the Router and existing networks compare. */
export const paymentErrors: ErrorTable = Object.freeze({
  ...httpErrors,
  REQUIRED_FIELDS_MISSING: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "Missing required fields",
    message: genericErrors["REQUIRED_FIELDS_MISSING"]?.message ?? "Missing required fields",
    members: (facts) => ({ required: facts["required"] ?? [] }),
  },
  AMOUNT_INVALID: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "Invalid amount",
    message: genericErrors["AMOUNT_INVALID"]?.message ?? "Invalid amount",
  },
  CURRENCY_INVALID: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "Invalid currency",
    message: "An ISO 4217 currency code is needed",
  },
  UNAUTHENTICATED: {
    code: GrpcCode.UNAUTHENTICATED,
    http: 401,
    error: "Invalid API key",
    message: "Invalid API key",
  },
  IDEMPOTENCY_CONFLICT: {
    code: GrpcCode.ALREADY_EXISTS,
    http: 409,
    error: "idempotency_conflict",
    message: "This idempotency key was used with another request",
  },
  UNAVAILABLE: {
    code: GrpcCode.UNAVAILABLE,
    http: 503,
    error: "unavailable",
    message: "The bank cannot answer right now",
    members: () => ({ status: "error" }),
  },
  INTERNAL: {
    code: GrpcCode.INTERNAL,
    http: 500,
    error: "server_error",
    message: "Something went wrong on our side",
    members: () => ({ status: "error" }),
  },
});
