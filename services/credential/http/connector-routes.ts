import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { translateError } from "../../platform/errors/error-table.ts";
import type { RateLimiter } from "../../platform/limits/rate-limiter.ts";
import type { Authenticator } from "../../platform/rpc/authenticate.ts";
import { principalKey } from "../../platform/rpc/principal.ts";
import type { Actor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { type EndedConsent, endConsentByCallback } from "../flows/end-consent-by-callback.ts";
import { credentialErrors } from "../rpc/error-table.ts";
import type { ConsentBrowsers } from "./consent-browsers.ts";
import { actorOfRequest, patientCaller } from "./request-caller.ts";

const callbackTimeoutMs = 25_000;
const formBytesMax = 16 * 1024;
const addressLengthMax = 8 * 1024;
const callbacksPerAddress = { class: "consent_callbacks", limit: 60, windowSeconds: 60 };
// Each leaves an audit row; whoever sends them must not fill the trail.
const alertsPerAddress = { class: "token_in_query", limit: 30, windowSeconds: 60 };
/** Whose alert it is when nobody proved who he is. */
const nobody: Owner = { tenant: "wallet", userId: "unknown" };

/** Callbacks of single connectors, as they are registered at their providers. */
const namedCallbacks: Readonly<Record<string, string>> = {
  "/api/v1/integrations/truelayer/callback": "truelayer",
};

/** What the routes work with. */
export interface ConnectorRouteParts {
  readonly deps: Dependencies;
  readonly limiter: RateLimiter;
  /** Proves a phone's user; undefined where phones are not served. */
  readonly mobileUser: Authenticator | undefined;
  readonly browsers: ConsentBrowsers;
}

/** Where browsers come back from providers, and where the gateway leads requests with a token in their address. */
export function addConnectorRoutes(app: FastifyInstance, parts: ConnectorRouteParts): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "string", bodyLimit: formBytesMax }, (_request, body, done) =>
      done(null, body),
    );
    const path = "/api/connectors/:connector/callback";
    // A browser comes back with a query, or with OAuth's form_post, where what others put into the address comes in a form.
    scope.get<{ Params: { connector: string } }>(path, (request, reply) =>
      receive(parts, { connector: request.params.connector, request, reply, query: queryOf(request) }),
    );
    scope.post<{ Params: { connector: string } }>(path, (request, reply) =>
      receive(parts, { connector: request.params.connector, request, reply, query: formOf(request) }),
    );
    for (const [named, connector] of Object.entries(namedCallbacks)) {
      scope.get(named, (request, reply) => receive(parts, { connector, request, reply, query: queryOf(request) }));
      scope.post(named, (request, reply) => receive(parts, { connector, request, reply, query: formOf(request) }));
    }
    scope.all("/api/connectors/access-token-in-query", (request) => refuseTokenInQuery(parts, request));
  });
}

async function receive(
  parts: ConnectorRouteParts,
  callback: {
    connector: string;
    request: FastifyRequest;
    reply: FastifyReply;
    query: URLSearchParams;
  },
): Promise<FastifyReply> {
  const { connector, request, reply, query } = callback;
  const taken = await parts.limiter.take({ ...callbacksPerAddress, key: request.clientAddress });
  if (!taken.allowed) throw new DomainError("RATE_LIMITED", { retryAfterSeconds: taken.retryAfterSeconds });
  const caller = patientCaller(actorOf(request), callbackTimeoutMs);
  const mark = parts.browsers.of(request);
  const again = `${new URL(request.url, "http://localhost").pathname}?${query}`;
  const isVeiled = request.method === "POST" && mark === undefined && again.length <= addressLengthMax;
  const ended = await endConsentByCallback(parts.deps, { connector, query, browser: { mark, isVeiled } }, caller);
  if (ended.isVeiled) return reply.redirect(again, 303);
  if (ended.returnUrl === undefined) throw new DomainError("INVALID_STATE");
  return reply.redirect(returnAddress(ended.returnUrl, connector, ended.outcome), 302);
}

function returnAddress(returnUrl: string, connector: string, outcome: EndedConsent["outcome"]): string {
  const url = new URL(returnUrl);
  url.searchParams.set("connector", connector);
  if ("connection" in outcome) url.searchParams.set("connectionId", outcome.connection.connectionId);
  else url.searchParams.set("error", translateError(credentialErrors, outcome.error).error);
  return url.href;
}

async function refuseTokenInQuery(parts: ConnectorRouteParts, request: FastifyRequest): Promise<never> {
  const { deps, limiter } = parts;
  const refusal = new DomainError("ACCESS_TOKEN_IN_QUERY");
  if (!(await limiter.take({ ...alertsPerAddress, key: request.clientAddress })).allowed) throw refusal;
  const owner = await ownerOf(parts, request);
  const given = request.headers["x-refused-path"];
  const path = typeof given === "string" ? given.slice(0, 200) : "";
  const subject = { owner: owner ?? nobody, actor: actorOf(request, owner), now: deps.clock.now() };
  const connector = [...deps.connectors.keys()].find((name) => path.split("/").includes(name)) ?? "";
  const act = { action: "security_alert", outcome: "access_token_in_query", connector, institutionId: "" } as const;
  await deps.storage.auditLog.append({ subject, acts: [{ ...act, durationMs: 0, details: { path } }] });
  deps.log.warn({ path }, "an access token came in an address");
  throw refusal;
}

/** Who proved himself beside the token in the address, if anybody did. */
async function ownerOf(parts: ConnectorRouteParts, request: FastifyRequest): Promise<Owner | undefined> {
  const ctx = {
    header: (name: string) => [request.headers[name] ?? []].flat()[0],
    clientAddress: request.clientAddress,
  };
  try {
    const principal = await parts.mobileUser?.(ctx);
    return principal?.kind === "mobile_user" ? { tenant: "wallet", userId: principal.userId } : undefined;
  } catch (error) {
    if (error instanceof DomainError) return undefined;
    throw error;
  }
}

function actorOf(request: FastifyRequest, owner?: Owner): Actor {
  const isKnown = owner !== undefined;
  return actorOfRequest(
    request,
    isKnown ? `user:${owner.userId}` : principalKey({ kind: "public" }, request.clientAddress),
  );
}

function queryOf(request: FastifyRequest): URLSearchParams {
  return new URL(request.url, "http://localhost").searchParams;
}

function formOf(request: FastifyRequest): URLSearchParams {
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") ?? false;
  if (!isForm || typeof request.body !== "string")
    throw new DomainError("INVALID_ARGUMENT", { why: "A form is needed" });
  return new URLSearchParams(request.body);
}
