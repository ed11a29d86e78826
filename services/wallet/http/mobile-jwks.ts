import type { FastifyInstance } from "fastify";
import type { MobileTokens } from "../flows/mobile-tokens.ts";

/** Publishes the keys of phones' access tokens at `/internal/mobile-jwks`, for the gateway's own check. */
export function registerMobileJwks(app: FastifyInstance, tokens: Pick<MobileTokens, "jwks">): void {
  app.get("/internal/mobile-jwks", async (_request, reply) =>
    reply.header("cache-control", "public, max-age=300").send(tokens.jwks),
  );
}
