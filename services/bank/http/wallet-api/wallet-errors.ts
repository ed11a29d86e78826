import type { ErrorEntry, ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";
import { httpErrors } from "../../../platform/http/http-errors.ts";

/** The words of the wallet API. Contract section 4, "Bank wallet". */
export const walletErrors: ErrorTable = Object.freeze({
  ...httpErrors,
  CREDENTIAL_MISSING: entry(GrpcCode.UNAUTHENTICATED, 401, "missing_credential", "No wallet credential was provided"),
  CREDENTIAL_INVALID: entry(GrpcCode.UNAUTHENTICATED, 401, "invalid_credential", "The wallet credential is invalid"),
  CREDENTIAL_REVOKED: entry(GrpcCode.UNAUTHENTICATED, 401, "credential_revoked", "The wallet credential was revoked"),
  CREDENTIAL_EXPIRED: entry(GrpcCode.UNAUTHENTICATED, 401, "credential_expired", "The wallet credential has expired"),
  SCOPE_INSUFFICIENT: {
    ...entry(GrpcCode.PERMISSION_DENIED, 403, "insufficient_scope", "The wallet credential does not allow this"),
    members: (facts) => ({ scope: facts["scope"] }),
  },
  CARD_NOT_AUTHORIZED: entry(
    GrpcCode.PERMISSION_DENIED,
    403,
    "card_not_authorized",
    "This card is not enrolled in this wallet",
  ),
  CARD_UNAVAILABLE: entry(GrpcCode.NOT_FOUND, 404, "not_found", "This card cannot be used now"),
  CREDENTIAL_OF_ANOTHER: entry(GrpcCode.PERMISSION_DENIED, 403, "forbidden", "This credential is not yours"),
  ALREADY_REVOKED: entry(GrpcCode.FAILED_PRECONDITION, 400, "already_revoked", "The credential was revoked before"),
});

function entry(code: ErrorEntry["code"], http: number, error: string, message: string): ErrorEntry {
  return { code, http, error, message };
}
