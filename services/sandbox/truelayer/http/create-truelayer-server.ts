import type { FastifyInstance } from "fastify";
import { addControlRoutes } from "../../kit/http/control-routes.ts";
import { createSandboxServer, type SandboxServerDeps } from "../../kit/http/create-sandbox-server.ts";
import type { WebhookKeys } from "../../kit/webhook-keys.ts";
import { banks } from "../domain/banks.ts";
import { settingsShape } from "../domain/settings.ts";
import { addApiManners, refusalOf } from "./api-scope.ts";
import { type AuthPagesDeps, addAuthPages } from "./auth-pages.ts";
import { problemPage, sandboxBrand } from "./auth-views.ts";
import { addOwnControlRoutes, type ControlDeps } from "./control-routes.ts";
import { addDataRoutes, type DataRoutesDeps } from "./data-routes.ts";
import { sandboxErrors } from "./error-table.ts";
import { addTokenRoutes } from "./token-routes.ts";

/** What the server needs. */
export interface TrueLayerServerDeps
  extends AuthPagesDeps,
    DataRoutesDeps,
    ControlDeps,
    SandboxServerDeps<typeof settingsShape> {}

/** Auth host, data host, keys and control API on one port. The caller listens and closes. */
export function createTrueLayerServer(deps: TrueLayerServerDeps): FastifyInstance {
  const app = createSandboxServer(
    { service: sandboxBrand.id, errorTable: sandboxErrors, problemPage: problemPage },
    deps,
  );
  for (const bank of banks) {
    app.get(`/logos/${bank.providerId}.svg`, (_request, reply) => reply.type("image/svg+xml").send(logoOf(bank.name)));
  }
  addAuthPages(app, deps);
  const reset = async () => {
    await Promise.all([deps.posted.clear(), deps.tasks.clear()]);
  };
  addControlRoutes(app, { ...deps, settingsShape, refusalOf, reset }, (scope) => addOwnControlRoutes(scope, deps));
  app.register(async (scope) => {
    addApiManners(scope, deps);
    addTokenRoutes(scope, deps.desk);
    addDataRoutes(scope, deps);
    addPublicRoutes(scope, deps.keys);
  });
  return app;
}

/** What programs read without proving who they are: the keys of webhooks, and the list of banks. */
function addPublicRoutes(scope: FastifyInstance, keys: WebhookKeys): void {
  scope.get("/.well-known/jwks", async () => ({
    keys: (await keys.published()).map(({ kid, publicKey }) => ({ ...publicKey, alg: "ES512", use: "sig", kid })),
  }));
  scope.get("/api/providers", async () =>
    banks.map((bank) => ({
      provider_id: bank.providerId,
      display_name: bank.name,
      country: "uk",
      scopes: ["info", "accounts", "balance", "transactions", "cards", "offline_access"],
    })),
  );
}

function logoOf(name: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="#1d4f91"/><text x="32" y="43" font-family="sans-serif" font-size="32" font-weight="700" text-anchor="middle" fill="#fff">${name.slice(0, 1)}</text></svg>`;
}
