import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import { type Fault, strikesAfterEffect } from "../domain/fault.ts";
import { TrueLayerError, trueLayerErrorBody } from "../domain/truelayer-error.ts";
import type { ControlStore } from "../storage/control-store.ts";
import { notesOf } from "./call-notes.ts";

/** What the programs' part of the sandbox needs. */
export interface ApiScopeDeps {
  readonly control: ControlStore;
  readonly now: () => Date;
  readonly log: Pick<Logger, "error">;
}

const gatewayPage = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n";
const halfPauseMs = 20;
const fieldsMax = 40;
/** Fields whose value says what was asked for and opens nothing. */
const plainFields: readonly string[] = ["async", "from", "grant_type", "to", "user_has_reconfirmed_consent"];

/**
 * Manners of everything programs call: TrueLayer's error bodies, a correlation id, faults on request, and a record of what
 * arrived. Pages and the control API stay outside.
 */
export function addApiManners(scope: FastifyInstance, deps: ApiScopeDeps): void {
  scope.setErrorHandler((thrown, request, reply) => {
    const error = asTrueLayerError(thrown);
    if (error.status >= 500) deps.log.error({ requestId: request.id, err: thrown }, "request failed");
    return sendRefusal(request, reply, error);
  });
  scope.addHook("preHandler", async (request, reply) => {
    const fault = await deps.control.takeFault(routeOf(request));
    if (fault === undefined) return undefined;
    notesOf(request).fault = fault;
    return strikesAfterEffect(fault) ? undefined : strikeBefore(fault, request, reply);
  });
  scope.addHook("onSend", async (request, reply, payload) => {
    reply.header("x-tl-correlation-id", request.id);
    await record(deps, request, reply);
    const { fault } = notesOf(request);
    return fault !== undefined && strikesAfterEffect(fault) ? strikeAfter(fault, request, reply, payload) : payload;
  });
}

function asTrueLayerError(thrown: unknown): TrueLayerError {
  if (thrown instanceof TrueLayerError) return thrown;
  const reason = reasonOfHttpError(thrown);
  if (reason instanceof DomainError) return new TrueLayerError("validation_error");
  return new TrueLayerError("internal_server_error");
}

function sendRefusal(
  request: FastifyRequest,
  reply: FastifyReply,
  error: TrueLayerError,
  status = error.status,
): FastifyReply {
  notesOf(request).error = error.error;
  return reply.code(status).type("application/json; charset=utf-8").send(trueLayerErrorBody(error));
}

async function strikeBefore(
  fault: Fault,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  switch (fault.kind) {
    case "latency":
      await delay(fault.ms);
      return undefined;
    case "rate_limit":
      reply.header("retry-after", String(fault.retryAfterSeconds));
      return sendRefusal(request, reply, new TrueLayerError("provider_too_many_requests"));
    case "server_error":
      return sendRefusal(request, reply, serverError(fault.status), fault.status);
    case "truelayer_error":
      return sendRefusal(request, reply, new TrueLayerError(fault.error));
    case "html":
      return reply.code(fault.status).type("text/html").send(gatewayPage);
    case "empty":
      return reply.code(200).send("");
    default:
      return undefined;
  }
}

function serverError(status: number): TrueLayerError {
  if (status === 503) return new TrueLayerError("provider_error");
  return new TrueLayerError(status === 504 ? "provider_timeout" : "internal_server_error");
}

function strikeAfter(fault: Fault, request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
  switch (fault.kind) {
    case "lost_answer":
      request.raw.socket.destroy();
      return payload;
    case "half":
      return Readable.from(halfOf(String(payload), request));
    case "html":
      reply.code(fault.status).type("text/html");
      return gatewayPage;
    default:
      return "";
  }
}

async function* halfOf(text: string, request: FastifyRequest): AsyncGenerator<string> {
  yield text.slice(0, Math.ceil(text.length / 2));
  // The first half has to leave before the connection breaks.
  await delay(halfPauseMs);
  request.raw.socket.destroy();
}

async function record(deps: ApiScopeDeps, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { fault, credentialsId, error } = notesOf(request);
  await deps.control.addCall({
    at: deps.now(),
    method: request.method,
    path: routeOf(request),
    status: reply.statusCode,
    error: error ?? null,
    credentialsId: credentialsId ?? null,
    fields: [...fieldsOf(request.query), ...fieldsOf(request.body)].slice(0, fieldsMax),
    fault: fault?.kind ?? null,
  });
}

function fieldsOf(from: unknown): string[] {
  if (typeof from !== "object" || from === null) return [];
  return Object.entries(from).map(([name, value]) =>
    plainFields.includes(name) ? `${name}=${String(value).slice(0, 60)}` : name.slice(0, 60),
  );
}

function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? "none";
}
