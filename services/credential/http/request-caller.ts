import type { FastifyRequest } from "fastify";
import type { Actor } from "../domain/audit.ts";
import type { Caller } from "../flows/dependencies.ts";

/** Whoever sent this request, under a name he has proved or that of his address. */
export function actorOfRequest(request: FastifyRequest, name: string): Actor {
  return { name, clientAddress: request.clientAddress, userAgent: request.headers["user-agent"] ?? "" };
}

/** A caller who waits for so long from now. */
export function patientCaller(actor: Actor, waitMs: number): Caller {
  const deadlineMs = performance.now() + waitMs;
  return {
    actor,
    signal: AbortSignal.timeout(waitMs),
    timeoutMs: () => Math.max(1, Math.floor(deadlineMs - performance.now())),
  };
}
