import type { ErrorEntry, ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";
import { httpErrors } from "../../../platform/http/http-errors.ts";

/** The words of Open Banking: RFC 6750 codes, each with `error_description`. */
export const openBankingErrors: ErrorTable = Object.freeze({
  ...httpErrors,
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

function entry(code: ErrorEntry["code"], http: number, error: string, message: string): ErrorEntry {
  return { code, http, error, message, members: () => ({ error_description: message }) };
}
