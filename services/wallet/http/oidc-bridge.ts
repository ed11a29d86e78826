import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Provider } from "oidc-provider";
import { limitCalls } from "../../platform/http/limit-calls.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";

/** One merchant server exchanges every code of its shop from one address. */
const callsPerMinuteMax = 6_000;
const version = "0.1.0";

const providerPaths = [
  "/auth",
  "/auth/:uid",
  "/authorize",
  "/token",
  "/token/revocation",
  "/token/introspection",
  "/request",
  "/me",
  "/jwks",
  "/session/end",
  "/session/end/confirm",
  "/session/end/success",
  "/.well-known/openid-configuration",
] as const;

/** The provider's session cookie and its signature. */
const sessionCookies = /^\s*wsim\.oidc(\.sig)?=/;

/**
 * Hands the provider's routes to it, bodies unread. Host and scheme are those of the issuer, whatever the request claims,
 * so no header of a client ever reaches a URL or a cookie.
 */
export function addOidcBridge(app: FastifyInstance, deps: OidcDeps, provider: Provider): void {
  const handle = provider.callback();
  const issuer = new URL(deps.settings.oidcIssuer);
  const forward = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { raw } = request;
    raw.headers["x-forwarded-proto"] = issuer.protocol.slice(0, -1);
    raw.headers["x-forwarded-host"] = issuer.host;
    if (raw.url?.startsWith("/authorize")) raw.url = `/auth${raw.url.slice("/authorize".length)}`;
    // Who is there is said by the wallet's own session. Without the provider's, each authorisation starts clean, so a
    // change of person in the middle of one neither breaks it nor leaks into the next.
    if (/^\/auth(\/|\?|$)/.test(raw.url ?? "")) dropProviderSession(raw.headers);
    reply.hijack();
    reply.raw.setHeader("x-request-id", request.id);
    reply.raw.setHeader("x-content-type-options", "nosniff");
    reply.raw.setHeader("referrer-policy", "no-referrer");
    await handle(raw, reply.raw);
    return reply;
  };
  void app.register(async (scope) => {
    scope.addHook("onRequest", limitCalls(deps.limiter, { class: "oidc", perMinute: callsPerMinuteMax }));
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    for (const path of providerPaths) scope.route({ method: ["GET", "POST", "OPTIONS"], url: path, handler: forward });
  });
  addIssuerHealth(app, deps);
  app.get("/.well-known/webauthn", async () => ({ origins: [issuer.origin, new URL(deps.settings.appUrl).origin] }));
}

/** Health of the issuer's own origin; on the common port `/health` is the payment switch's. */
function addIssuerHealth(app: FastifyInstance, deps: OidcDeps): void {
  const timestamp = () => deps.clock.now().toISOString();
  app.get("/health", async (_request, reply) => {
    const healthy = await deps.db.isReady();
    const status = healthy ? "healthy" : "unhealthy";
    return reply
      .code(healthy ? 200 : 503)
      .send({ status, timestamp: timestamp(), service: "wallet", version, compatibility: "wsim" });
  });
  app.get("/health/ready", async (_request, reply) => {
    const ready = await deps.db.isReady();
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  app.get("/health/live", async () => ({ alive: true }));
}

function dropProviderSession(headers: FastifyRequest["raw"]["headers"]): void {
  const kept = (headers.cookie ?? "").split(";").filter((pair) => !sessionCookies.test(pair));
  headers.cookie = kept.join(";");
}
