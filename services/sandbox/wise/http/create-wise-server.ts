import { createPublicKey } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { addControlRoutes } from "../../kit/http/control-routes.ts";
import { createSandboxServer, type SandboxServerDeps } from "../../kit/http/create-sandbox-server.ts";
import { settingsShape } from "../domain/settings.ts";
import { addApiManners, refusalOf } from "./api-scope.ts";
import { addConsentPages, type ConsentPagesDeps } from "./consent-pages.ts";
import { problemPage, sandboxBrand } from "./consent-views.ts";
import { addOwnControlRoutes, type ControlDeps } from "./control-routes.ts";
import { addDataRoutes, type DataRoutesDeps } from "./data-routes.ts";
import { sandboxErrors } from "./error-table.ts";
import { addSubscriptionRoutes, type SubscriptionRoutesDeps } from "./subscription-routes.ts";
import { addTokenRoutes } from "./token-routes.ts";

/** What the server needs. */
export interface WiseServerDeps
  extends ConsentPagesDeps,
    DataRoutesDeps,
    SubscriptionRoutesDeps,
    ControlDeps,
    SandboxServerDeps<typeof settingsShape> {}

/** Authorization page, API, webhook keys and control API on one port. The caller listens and closes. */
export function createWiseServer(deps: WiseServerDeps): FastifyInstance {
  const app = createSandboxServer(
    { service: sandboxBrand.id, errorTable: sandboxErrors, problemPage: problemPage },
    deps,
  );
  // Wise prints its key in its documentation; this one is made at the first start, so it is told here.
  app.get("/webhook-public-key", async (_request, reply) => {
    const keys = await deps.keys.published();
    const pems = keys.map(({ publicKey }) =>
      createPublicKey({ key: { ...publicKey }, format: "jwk" }).export({ format: "pem", type: "spki" }),
    );
    return reply.type("application/x-pem-file").send(pems.join(""));
  });
  addConsentPages(app, deps);
  const reset = async () => {
    await Promise.all([deps.posted.clear(), deps.subscriptions.clear()]);
  };
  addControlRoutes(app, { ...deps, settingsShape, refusalOf, reset }, (scope) => addOwnControlRoutes(scope, deps));
  app.register(async (scope) => {
    addApiManners(scope, deps);
    addTokenRoutes(scope, deps.desk);
    addSubscriptionRoutes(scope, deps);
    addDataRoutes(scope, deps);
  });
  return app;
}
