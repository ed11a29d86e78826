import type { FastifyInstance } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Refusal, RefusingFault } from "../../kit/domain/fault.ts";
import { addFaultHooks, type FaultHooksDeps, sendRefusal } from "../../kit/http/fault-hooks.ts";
import { isTrueLayerErrorWord, TrueLayerError, trueLayerErrorBody } from "../domain/truelayer-error.ts";

/** Fields whose value says what was asked for and opens nothing. */
const plainFields: readonly string[] = ["async", "from", "grant_type", "to", "user_has_reconfirmed_consent"];

/** Manners of everything programs call: TrueLayer's error bodies, a correlation id, faults on request. */
export function addApiManners(
  scope: FastifyInstance,
  deps: Pick<FaultHooksDeps, "control" | "clock"> & { readonly log: Pick<Logger, "error"> },
): void {
  scope.setErrorHandler((thrown, request, reply) => {
    const error = asTrueLayerError(thrown);
    if (error.status >= 500) deps.log.error({ requestId: request.id, err: thrown }, "request failed");
    return sendRefusal(request, reply, refusalBy(error));
  });
  scope.addHook("onSend", async (request, reply) => {
    reply.header("x-tl-correlation-id", request.id);
  });
  addFaultHooks(scope, { ...deps, refusalOf, plainFields });
}

/** A fault in TrueLayer's words; undefined for a word it does not document. */
export function refusalOf(fault: RefusingFault): Refusal | undefined {
  switch (fault.kind) {
    case "rate_limit":
      return refusalBy(new TrueLayerError("provider_too_many_requests"));
    case "server_error":
      return refusalBy(serverError(fault.status), fault.status);
    case "provider_error":
      return isTrueLayerErrorWord(fault.code) ? refusalBy(new TrueLayerError(fault.code)) : undefined;
    default: {
      const impossible: never = fault;
      throw new Error(`unreachable fault ${String(impossible)}`);
    }
  }
}

function refusalBy(error: TrueLayerError, status = error.status): Refusal {
  return { status, code: error.error, body: trueLayerErrorBody(error) };
}

function asTrueLayerError(thrown: unknown): TrueLayerError {
  if (thrown instanceof TrueLayerError) return thrown;
  const reason = reasonOfHttpError(thrown);
  if (reason instanceof DomainError) return new TrueLayerError("validation_error");
  return new TrueLayerError("internal_server_error");
}

function serverError(status: number): TrueLayerError {
  if (status === 503) return new TrueLayerError("provider_error");
  return new TrueLayerError(status === 504 ? "provider_timeout" : "internal_server_error");
}
