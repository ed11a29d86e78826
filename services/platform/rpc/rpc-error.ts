import type { ServiceError } from "@grpc/grpc-js";
import { GrpcCode } from "../errors/grpc-code.ts";

/** A call to another service that failed. `reason` is the word of its error table, stable; `message` may change. */
export class RpcError extends Error {
  readonly code: number;
  /** From trailer `x-error-code`; empty when the peer could not answer at all. */
  readonly reason: string;
  /** From trailer `x-http-status`. */
  readonly httpStatus: number | undefined;

  constructor(message: string, facts: { code: number; reason: string; httpStatus?: number | undefined }) {
    super(message);
    this.name = "RpcError";
    this.code = facts.code;
    this.reason = facts.reason;
    this.httpStatus = facts.httpStatus;
  }

  /** Reads what grpc-js reports of a failed call. */
  static from(path: string, error: ServiceError | null): RpcError {
    if (error === null) return new RpcError(`${path}: no answer`, { code: GrpcCode.INTERNAL, reason: "" });
    const word = error.metadata?.get("x-error-code")[0];
    const status = Number.parseInt(String(error.metadata?.get("x-http-status")[0] ?? ""), 10);
    return new RpcError(`${path}: ${error.details || error.message}`, {
      code: error.code ?? GrpcCode.UNKNOWN,
      reason: word === undefined ? "" : String(word),
      httpStatus: Number.isNaN(status) ? undefined : status,
    });
  }
}
