import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../../platform/time/clock.ts";
import { type Fault, type Refusal, type RefusalOf, type RefusingFault, strikesAfterEffect } from "../domain/fault.ts";
import type { ControlStore } from "../storage/control-store.ts";
import { notesOf } from "./call-notes.ts";

const gatewayPage = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1><p>upstream connect error</p></body></html>\n";
const fieldsMax = 40;
const fieldLengthMax = 60;

/** What faults and the record of calls need. */
export interface FaultHooksDeps {
  readonly control: Pick<ControlStore<unknown>, "takeFault" | "addCall">;
  readonly clock: Clock;
  readonly refusalOf: RefusalOf;
  /** Fields whose value is recorded too, since it opens nothing. */
  readonly plainFields?: readonly string[];
}

/**
 * Lets the faults asked for strike the calls of this scope, and writes down which calls arrived. Call it before the scope's
 * own `preHandler` hooks; the scope's error handler notes the provider's code by `notesOf(request).error`.
 */
export function addFaultHooks(scope: FastifyInstance, deps: FaultHooksDeps): void {
  scope.addHook("preHandler", async (request, reply) => {
    const fault = await deps.control.takeFault(routeOf(request));
    if (fault === undefined) return undefined;
    notesOf(request).fault = fault;
    return strikesAfterEffect(fault) ? undefined : strikeBefore(deps.refusalOf, fault, request, reply);
  });
  scope.addHook("onSend", async (request, reply, payload) => {
    // Here and not in onResponse: a broken connection gives no later chance.
    await record(deps, request, reply);
    const { fault } = notesOf(request);
    return fault !== undefined && strikesAfterEffect(fault) ? strikeAfter(fault, reply, payload) : payload;
  });
}

/** Answers with a refusal and notes its code. */
export function sendRefusal(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply {
  notesOf(request).error = refusal.code;
  return reply.code(refusal.status).type("application/json; charset=utf-8").send(refusal.body);
}

async function strikeBefore(
  refusalOf: RefusalOf,
  fault: Fault,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const refuse = (refusing: RefusingFault) => {
    const refusal = refusalOf(refusing, request.id);
    if (refusal === undefined) throw new Error(`no words for the fault ${refusing.kind}`);
    return sendRefusal(request, reply, refusal);
  };
  switch (fault.kind) {
    case "latency":
      await delay(fault.ms);
      return undefined;
    case "rate_limit":
      reply.header("retry-after", String(fault.retryAfterSeconds));
      return refuse(fault);
    case "server_error":
    case "provider_error":
      return refuse(fault);
    case "html":
      return reply.code(fault.status).type("text/html").send(gatewayPage);
    case "empty":
      return reply.code(200).type("application/json").send("");
    case "answer":
      return reply.code(200).type("application/json").send(fault.text);
    default:
      return undefined;
  }
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
      // The first half has to leave before the connection breaks.
      reply.raw.write(whole.subarray(0, Math.ceil(whole.length / 2)), () => reply.raw.destroy());
      return payload;
    }
    case "html":
      reply.code(fault.status).type("text/html");
      return gatewayPage;
    default:
      return "";
  }
}

async function record(deps: FaultHooksDeps, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { fault, subject, error } = notesOf(request);
  const plainFields = deps.plainFields ?? [];
  await deps.control.addCall({
    at: deps.clock.now(),
    requestId: request.id,
    method: request.method,
    path: routeOf(request),
    status: fault?.kind === "lost_answer" ? null : reply.statusCode,
    error: error ?? null,
    subject: subject ?? null,
    fields: [request.query, request.body].flatMap((from) => fieldsOf(from, plainFields)).slice(0, fieldsMax),
    fault: fault?.kind ?? null,
  });
}

function fieldsOf(from: unknown, plainFields: readonly string[]): string[] {
  if (typeof from !== "object" || from === null) return [];
  return Object.entries(from).map(([name, value]) => {
    const isPlain = plainFields.includes(name) && typeof value !== "object";
    return (isPlain ? `${name}=${String(value)}` : name).slice(0, fieldLengthMax);
  });
}

function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? "none";
}
