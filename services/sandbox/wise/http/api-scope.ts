import type { FastifyInstance } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Refusal, RefusingFault } from "../../kit/domain/fault.ts";
import { addFaultHooks, type FaultHooksDeps, sendRefusal } from "../../kit/http/fault-hooks.ts";
import {
  forbidden,
  invalidToken,
  isTokenErrorWord,
  requestError,
  serverError,
  tokenError,
  tooManyRequests,
  WiseError,
} from "../domain/wise-error.ts";

/** Fields whose value says what was asked for and opens nothing. */
const plainFields: readonly string[] = [
  "currency",
  "grant_type",
  "intervalEnd",
  "intervalStart",
  "trigger_on",
  "type",
  "types",
];

/** Manners of everything programs call: Wise's error bodies, a trace id, faults on request. */
export function addApiManners(
  scope: FastifyInstance,
  deps: Pick<FaultHooksDeps, "control" | "clock"> & { readonly log: Pick<Logger, "error"> },
): void {
  scope.setErrorHandler((thrown, request, reply) => {
    const error = asWiseError(thrown);
    if (error.status >= 500) deps.log.error({ requestId: request.id, err: thrown }, "request failed");
    return sendRefusal(request, reply, refusalBy(error));
  });
  scope.addHook("onSend", async (request, reply) => {
    reply.header("x-trace-id", request.id);
    const given = request.headers["x-external-correlation-id"];
    if (typeof given === "string" && /^[\w-]{1,36}$/.test(given)) reply.header("x-external-correlation-id", given);
  });
  addFaultHooks(scope, { ...deps, refusalOf, plainFields });
}

/** A fault in Wise's words; undefined for a word it does not document. */
export function refusalOf(fault: RefusingFault): Refusal | undefined {
  switch (fault.kind) {
    case "rate_limit":
      return refusalBy(tooManyRequests());
    case "server_error":
      return refusalBy(serverError(fault.status));
    case "provider_error":
      return documented(fault.code);
    default: {
      const impossible: never = fault;
      throw new Error(`unreachable fault ${String(impossible)}`);
    }
  }
}

function documented(code: string): Refusal | undefined {
  if (code === "invalid_token") return refusalBy(invalidToken("00000000-0000-0000-0000-000000000000"));
  if (code === "FORBIDDEN") return refusalBy(forbidden());
  return isTokenErrorWord(code) ? refusalBy(tokenError(code)) : undefined;
}

function refusalBy({ status, code, body }: WiseError): Refusal {
  return { status, code, body };
}

function asWiseError(thrown: unknown): WiseError {
  if (thrown instanceof WiseError) return thrown;
  const reason = reasonOfHttpError(thrown);
  return reason instanceof DomainError
    ? requestError(400, "ERROR", "The request is not readable", "")
    : serverError(500);
}
