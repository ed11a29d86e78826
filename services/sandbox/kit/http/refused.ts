import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";

/** An entry of a sandbox's error table, for its pages and its control API. */
export function refused(http: number, error: string, message: string): ErrorTable[string] {
  return {
    code: http === 404 ? GrpcCode.NOT_FOUND : GrpcCode.FAILED_PRECONDITION,
    http,
    error,
    message,
  };
}
