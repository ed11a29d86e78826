import { type ErrorTable, genericErrors } from "../../platform/errors/error-table.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";

/** How each refusal of the wallet is told to its callers. */
export const walletErrors: ErrorTable = Object.freeze({
  ...genericErrors,
  UNAUTHENTICATED: {
    code: GrpcCode.UNAUTHENTICATED,
    http: 401,
    error: "unauthorized",
    message: "Please sign in",
  },
  INVALID_CREDENTIALS: {
    code: GrpcCode.UNAUTHENTICATED,
    http: 401,
    error: "invalid_credentials",
    message: "E-mail address or password is wrong",
  },
  CODE_TRIES_SPENT: {
    code: GrpcCode.RESOURCE_EXHAUSTED,
    http: 429,
    error: "rate_limit_exceeded",
    message: "Too many wrong codes: ask for a new one",
  },
  EMAIL_TAKEN: {
    code: GrpcCode.ALREADY_EXISTS,
    http: 409,
    error: "conflict",
    message: "This e-mail address has a wallet already: please sign in",
  },
  DEVICE_TAKEN: {
    code: GrpcCode.ALREADY_EXISTS,
    http: 409,
    error: "device_conflict",
    message: "Another person is signed in on this device",
  },
  ENROLMENT_FAILED: {
    code: GrpcCode.INTERNAL,
    http: 500,
    error: "enrollment_failed",
    message: "The bank could not be reached: please try again",
  },
  CARD_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "CARD_NOT_FOUND",
    message: "No such card",
  },
  CARD_TOKEN_ERROR: {
    code: GrpcCode.UNAVAILABLE,
    http: 502,
    error: "CARD_TOKEN_ERROR",
    message: "The card's bank gave no token for this payment",
  },
  REENROLMENT_REQUIRED: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 502,
    error: "CARD_TOKEN_ERROR",
    message: "The card's bank wants your consent again: add the bank once more",
  },
});
