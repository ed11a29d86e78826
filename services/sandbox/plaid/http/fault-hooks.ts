import "../../../platform/http/fastify-additions.ts";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Fault, strikesAfterEffect } from "../domain/fault.ts";
import { isPlaidErrorCode, PlaidError, plaidError, plaidErrorBody } from "../domain/plaid-error.ts";
import type { ApiDeps } from "./api-deps.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The fault that strikes this call. */
    fault: Fault | undefined;
    /** Plaid's code of a refused call, for the list of calls. */
    errorCode: string | undefined;
  }
}

const gatewayPage = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1><p>upstream connect error</p></body></html>";
const fieldsMax = 40;

/** Lets the faults asked for strike the API's calls, and writes down which calls arrived. */
export function addFaultHooks(app: FastifyInstance, deps: Pick<ApiDeps, "control" | "clock">): void {
  app.decorateRequest("fault", undefined);
  app.decorateRequest("errorCode", undefined);
  app.addHook("preHandler", async (request, reply) => {
    request.fault = await deps.control.takeFault(pathOf(request));
    if (request.fault && !strikesAfterEffect(request.fault)) return strikeBefore(request.fault, request, reply);
    return undefined;
  });
  app.addHook("onSend", async (request, reply, payload) => {
    if (request.fault === undefined || !strikesAfterEffect(request.fault)) return payload;
    // Written down here: a broken connection gives no later chance.
    await noteCall(deps, request, reply);
    return strikeAfter(request.fault, reply, payload);
  });
  app.addHook("onResponse", async (request, reply) => {
    if (request.fault === undefined || !strikesAfterEffect(request.fault)) await noteCall(deps, request, reply);
  });
}

async function strikeBefore(
  fault: Fault,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const refuse = (error: PlaidError) => {
    request.errorCode = error.facts.code;
    return reply.code(error.facts.status).send(plaidErrorBody(error, request.id));
  };
  switch (fault.kind) {
    case "latency":
      await delay(fault.ms);
      return undefined;
    case "rate_limit":
      reply.header("retry-after", String(fault.retryAfterSeconds));
      return refuse(plaidError("RATE_LIMIT"));
    case "server_error": {
      const { facts } = plaidError("INTERNAL_SERVER_ERROR");
      return refuse(new PlaidError({ ...facts, status: fault.status }));
    }
    case "plaid_error":
      return refuse(scriptedError(fault));
    case "html":
      return reply.code(fault.status).type("text/html").send(gatewayPage);
    case "empty":
      return reply.code(200).type("application/json").send("");
    default:
      return undefined;
  }
}

function scriptedError(fault: Extract<Fault, { kind: "plaid_error" }>): PlaidError {
  if (isPlaidErrorCode(fault.errorCode) && fault.errorType === undefined) return plaidError(fault.errorCode);
  return new PlaidError({
    type: fault.errorType ?? "API_ERROR",
    code: fault.errorCode,
    status: fault.status,
    message: "an error asked for by the sandbox's operator",
    display: null,
  });
}

function strikeAfter(fault: Fault, reply: FastifyReply, payload: unknown): unknown {
  switch (fault.kind) {
    case "lost_answer":
      reply.raw.destroy();
      return payload;
    case "half": {
      const whole = Buffer.from(typeof payload === "string" ? payload : "");
      reply.hijack();
      reply.raw.writeHead(reply.statusCode, { "content-type": "application/json", "content-length": whole.length });
      reply.raw.write(whole.subarray(0, Math.floor(whole.length / 2)), () => reply.raw.destroy());
      return payload;
    }
    case "html":
      reply.code(fault.status).type("text/html");
      return gatewayPage;
    case "empty":
      return "";
    default:
      return payload;
  }
}

async function noteCall(
  deps: Pick<ApiDeps, "control" | "clock">,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const body = request.body;
  await deps.control.addCall({
    at: deps.clock.now(),
    path: pathOf(request).slice(0, 200),
    status: request.fault?.kind === "lost_answer" ? null : reply.statusCode,
    errorCode: request.errorCode ?? null,
    requestId: request.id,
    fields: typeof body === "object" && body !== null ? Object.keys(body).slice(0, fieldsMax) : [],
    fault: request.fault?.kind ?? null,
  });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split("?", 1)[0] ?? "";
}
