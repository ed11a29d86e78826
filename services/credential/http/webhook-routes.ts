import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { RateLimiter } from "../../platform/limits/rate-limiter.ts";
import { principalKey } from "../../platform/rpc/principal.ts";
import type { RawWebhook, WebhookReader } from "../connectors/webhook-reader.ts";
import type { Actor } from "../domain/audit.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { acceptWebhook } from "../webhooks/accept-webhook.ts";

/** Providers' webhooks are a few KiB; the largest documented is far below this. */
export const webhookBytesMax = 256 * 1024;
const inFlightMax = 256;
const perAddress = { class: "webhooks", limit: 12_000, windowSeconds: 60, chunk: 100 };
// Each leaves an audit row; a sender of forged ones must not fill the trail.
const alertsPerAddress = { class: "webhook_alerts", limit: 30, windowSeconds: 60 };

/** Paths of single connectors, by the names their providers were given before there was a path for every one. */
const namedPaths: Readonly<Record<string, string>> = {
  "/api/v1/integrations/truelayer/webhook": "truelayer",
  "/api/open-banking/webhook": "mastercard",
  "/functions/v1/open-banking-webhook": "mastercard",
};

/** What each provider takes for an answer, where it is not 200. */
const acceptedStatus: Readonly<Record<string, number>> = { mastercard: 202 };

/** What the routes work with. */
export interface WebhookRouteParts {
  readonly deps: Dependencies;
  readonly limiter: RateLimiter;
  /** Called after something was stored, so that it is worked off at once. */
  readonly wake: () => void;
}

/**
 * Where providers send their webhooks: any content type, the bytes kept as they were sent, 256 KiB at most. The answer tells nothing
 * but whether it was taken: new and repeated ones alike, 401 when it is not the provider's, 413, 429, 503 when its keys cannot be had.
 */
export function addWebhookRoutes(app: FastifyInstance, parts: WebhookRouteParts): void {
  let inFlight = 0;
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    // Before the body is read: whoever sends too much or too often costs no more than his headers.
    scope.addHook("onRequest", async (request, reply) => {
      if (inFlight >= inFlightMax) throw new DomainError("UNAVAILABLE");
      inFlight += 1;
      reply.raw.once("close", () => {
        inFlight -= 1;
      });
      const { allowed, retryAfterSeconds } = await parts.limiter.take({ ...perAddress, key: request.clientAddress });
      if (!allowed) throw new DomainError("RATE_LIMITED", { retryAfterSeconds });
    });
    const route = { bodyLimit: webhookBytesMax };
    for (const [path, connector] of Object.entries(namedPaths)) {
      scope.post(path, route, (request, reply) => receive(parts, connector, request, reply));
    }
    scope.post<{ Params: { connector: string } }>("/api/connectors/:connector/webhook", route, (request, reply) =>
      receive(parts, request.params.connector, request, reply),
    );
  });
}

async function receive(
  parts: WebhookRouteParts,
  name: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { deps, limiter, wake } = parts;
  const reader = deps.connectors.get(name)?.webhook;
  if (reader === undefined) throw new DomainError("NOT_FOUND");
  await acceptWebhook(deps, {
    connector: name,
    reader,
    request: rawWebhook(request, reader, deps.clock.now()),
    actor: actorOf(request),
    mayAlert: async () => (await limiter.take({ ...alertsPerAddress, key: request.clientAddress })).allowed,
  });
  wake();
  return reply.code(acceptedStatus[name] ?? 200).send({ received: true });
}

function rawWebhook(request: FastifyRequest, reader: WebhookReader, receivedAt: Date): RawWebhook {
  const headers: Record<string, string> = {};
  for (const name of reader.headers) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  return { body, headers, path: request.url, receivedAt };
}

function actorOf(request: FastifyRequest): Actor {
  const { clientAddress } = request;
  return {
    name: principalKey({ kind: "public" }, clientAddress),
    clientAddress,
    userAgent: request.headers["user-agent"] ?? "",
  };
}
