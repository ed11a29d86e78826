import type { ErrorEntry, ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";
import { httpErrors } from "../../../platform/http/http-errors.ts";

/** The words of Open Banking: codes of RFC 6749 and 6750, each with `error_description`. */
export const openBankingErrors: ErrorTable = Object.freeze({
  ...httpErrors,
  INVALID_ARGUMENT: {
    ...entry(GrpcCode.INVALID_ARGUMENT, 400, "invalid_request", "The request is not valid"),
    message: whyOf,
    members: (facts) => ({ error_description: whyOf(facts) }),
  },
  TOKEN_MISSING: entry(GrpcCode.UNAUTHENTICATED, 401, "unauthorized", "An access token is required"),
  TOKEN_INVALID: entry(
    GrpcCode.UNAUTHENTICATED,
    401,
    "invalid_token",
    "The access token is invalid, expired or revoked",
  ),
  SCOPE_INSUFFICIENT: {
    ...entry(GrpcCode.PERMISSION_DENIED, 403, "insufficient_scope", "The access token lacks a scope"),
    members: (facts) => ({ error_description: "The access token lacks a scope", scope: facts["scope"] }),
  },
  PERMISSION_DENIED: entry(GrpcCode.PERMISSION_DENIED, 403, "forbidden", "The access token is another customer's"),
  NOT_FOUND: entry(GrpcCode.NOT_FOUND, 404, "not_found", "Not found"),
  INTERNAL: entry(GrpcCode.INTERNAL, 500, "server_error", "Something went wrong on our side"),
});

function whyOf(facts: Readonly<Record<string, unknown>>): string {
  return typeof facts["why"] === "string" ? facts["why"] : "The request is not valid";
}

function entry(code: ErrorEntry["code"], http: number, error: string, message: string): ErrorEntry {
  return { code, http, error, message, members: () => ({ error_description: message }) };
}
