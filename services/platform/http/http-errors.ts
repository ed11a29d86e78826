import type { FastifyError } from "fastify";
import { DomainError } from "../errors/domain-error.ts";
import { type ErrorTable, genericErrors } from "../errors/error-table.ts";
import { GrpcCode } from "../errors/grpc-code.ts";

/** Reasons that only an HTTP edge has. A service's table may say them differently. */
export const httpErrors: ErrorTable = Object.freeze({
  ...genericErrors,
  METHOD_NOT_ALLOWED: {
    code: GrpcCode.UNIMPLEMENTED,
    http: 405,
    error: "method_not_allowed",
    message: "This path does not answer that method",
  },
  MEDIA_TYPE_UNSUPPORTED: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 415,
    error: "unsupported_media_type",
    message: "The body must be JSON or a form",
  },
  PAGE_EXPIRED: {
    code: GrpcCode.PERMISSION_DENIED,
    http: 403,
    error: "page_expired",
    message: "This page is no longer valid. Go back, reload it and try again.",
  },
});

/** Turns the web framework's own refusals into reasons; anything else stays as it is. */
export function reasonOfHttpError(thrown: unknown): unknown {
  if (thrown instanceof DomainError || !isFastifyError(thrown)) return thrown;
  switch (thrown.statusCode) {
    case 413:
      return new DomainError("PAYLOAD_TOO_LARGE", {}, { cause: thrown });
    case 415:
      return new DomainError("MEDIA_TYPE_UNSUPPORTED", {}, { cause: thrown });
    case 400:
      return new DomainError("INVALID_ARGUMENT", { why: "The request is malformed" }, { cause: thrown });
    default:
      return thrown;
  }
}

function isFastifyError(thrown: unknown): thrown is FastifyError {
  return thrown instanceof Error && "statusCode" in thrown && typeof thrown.statusCode === "number";
}
