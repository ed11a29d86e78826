import type { FastifyInstance } from "fastify";
import { createHttpServer } from "../../../platform/http/create-http-server.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import { banks } from "../domain/banks.ts";
import { type ApiScopeDeps, addApiManners } from "./api-scope.ts";
import { type AuthPagesDeps, addAuthPages } from "./auth-pages.ts";
import { problemPage, sandboxBrand } from "./auth-views.ts";
import { addControlRoutes, type ControlDeps } from "./control-routes.ts";
import { addDataRoutes, type DataRoutesDeps } from "./data-routes.ts";
import { sandboxErrors } from "./error-table.ts";
import { addTokenRoutes } from "./token-routes.ts";

/** What the server needs. */
export interface SandboxServerDeps extends AuthPagesDeps, DataRoutesDeps, ControlDeps {
  readonly log: Logger;
  readonly isReady: () => Promise<boolean>;
}

/** Auth host, data host, keys and control API on one port. The caller listens and closes. */
export function createSandboxServer(deps: SandboxServerDeps): FastifyInstance {
  const app = createHttpServer({
    service: sandboxBrand.id,
    errorTable: sandboxErrors,
    log: deps.log,
    errorPage: ({ message }) => problemPage(message),
  });
  app.get("/health", async (_request, reply) => {
    const ready = await deps.isReady();
    return reply.code(ready ? 200 : 503).send({ status: ready ? "healthy" : "unhealthy", service: sandboxBrand.id });
  });
  app.get("/.well-known/jwks", () => deps.keys.published());
  for (const bank of banks) {
    app.get(`/logos/${bank.providerId}.svg`, (_request, reply) => reply.type("image/svg+xml").send(logoOf(bank.name)));
  }
  addAuthPages(app, deps);
  addControlRoutes(app, deps);
  app.register(async (scope) => {
    const manners: ApiScopeDeps = { control: deps.control, now: () => deps.clock.now(), log: deps.log };
    addApiManners(scope, manners);
    addTokenRoutes(scope, deps.desk);
    addDataRoutes(scope, deps);
  });
  return app;
}

function logoOf(name: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="#1d4f91"/><text x="32" y="43" font-family="sans-serif" font-size="32" font-weight="700" text-anchor="middle" fill="#fff">${name.slice(0, 1)}</text></svg>`;
}
