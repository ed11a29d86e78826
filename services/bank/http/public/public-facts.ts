import type { FastifyInstance } from "fastify";
import type { Clock } from "../../../platform/time/clock.ts";
import type { BankFacts } from "../../domain/bank-facts.ts";

/** What the public routes need. */
export interface PublicFactsDeps {
  readonly facts: BankFacts;
  readonly version: string;
  /** Whether the bank can do its work now: its database answers. */
  readonly isReady: () => Promise<boolean>;
  readonly clock: Clock;
}

/** Mounts what anyone may ask: the registry's record of this bank, health, and the origins of its pages. */
export async function publicFacts(app: FastifyInstance, deps: PublicFactsDeps): Promise<void> {
  app.get("/api/registry/info", async () => deps.facts);
  const health = async () => {
    const ready = await deps.isReady();
    return {
      status: ready ? 200 : 503,
      body: {
        status: ready ? "healthy" : "unhealthy",
        timestamp: deps.clock.now().toISOString(),
        service: deps.facts.bsimId,
        version: deps.version,
        compatibility: { walletApi: "1", paymentNetwork: "1", openBanking: "1" },
      },
    };
  };
  for (const path of ["/health", "/api/health"]) {
    app.get(path, async (_request, reply) => {
      const { status, body } = await health();
      return reply.code(status).send(body);
    });
  }
  const origins = [...new Set([deps.facts.apiBaseUrl, deps.facts.authServerUrl].map((url) => new URL(url).origin))];
  app.get("/.well-known/webauthn", async () => ({ origins }));
}
