import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import type { HttpServerOptions } from "../../../platform/http/create-http-server.ts";
import { notesOf } from "../../kit/http/call-notes.ts";
import { problemView } from "../../kit/http/consent-views.ts";
import { addControlRoutes } from "../../kit/http/control-routes.ts";
import { createSandboxServer } from "../../kit/http/create-sandbox-server.ts";
import { addFaultHooks, sendRefusal } from "../../kit/http/fault-hooks.ts";
import { refused } from "../../kit/http/refused.ts";
import { BasiqError, basiqError } from "../domain/basiq-error.ts";
import { settingsShape } from "../domain/settings.ts";
import type { ApiDeps } from "./api-deps.ts";
import { refusalBy, refusalOf } from "./api-faults.ts";
import { addConnectionRoutes } from "./connection-routes.ts";
import { addConsentPages } from "./consent-pages.ts";
import { consentPage } from "./consent-views.ts";
import { addOwnControlRoutes } from "./control-routes.ts";
import { addDataRoutes } from "./data-routes.ts";
import { addEventRoutes } from "./event-routes.ts";
import { addTokenRoutes } from "./token-routes.ts";
import { addUserRoutes } from "./user-routes.ts";

const startAgain = "Please start again where you came from.";
const pageErrors: ErrorTable = Object.freeze({
  LINK_UNKNOWN: refused(404, "link_unknown", `This link is not valid any more. ${startAgain}`),
  VISIT_OVER: refused(409, "visit_over", `This page was left already. ${startAgain}`),
  VISIT_LOCKED: refused(429, "visit_locked", `Too many attempts to sign in. ${startAgain}`),
  BANK_UNKNOWN: refused(400, "bank_unknown", "That bank is not offered here."),
  NO_ACCOUNTS: refused(400, "no_accounts", "Choose at least one account to share. Go back and try again."),
  ACTION_UNKNOWN: refused(400, "action_unknown", `The application asked for something unknown. ${startAgain}`),
  CONSENT_MISSING: refused(409, "consent_missing", `There is no consent to extend. ${startAgain}`),
  CONNECTION_MISSING: refused(404, "connection_missing", `There is no such connection. ${startAgain}`),
});

/** The sandbox over HTTP: Basiq's API, its consent page and the control API. The caller listens and closes. */
export function createBasiqServer(
  deps: ApiDeps & { csrfKey: Uint8Array; log: HttpServerOptions["log"]; isReady: () => Promise<boolean> },
): FastifyInstance {
  const app = createSandboxServer(
    {
      service: "sandbox-basiq",
      errorTable: pageErrors,
      problemPage: (text) => consentPage("Problem", problemView(text)),
    },
    deps,
  );
  addConsentPages(app, deps);
  const reset = () => deps.users.clear();
  addControlRoutes(app, { ...deps, settingsShape, refusalOf, reset }, (scope) => addOwnControlRoutes(scope, deps));
  app.register(async (api) => addApi(api, deps));
  return app;
}

function addApi(api: FastifyInstance, deps: ApiDeps): void {
  api.addHook("onRequest", async (request, reply) => {
    // Error bodies name it as their correlation id.
    request.id = randomUUID();
    reply.header("x-request-id", request.id);
  });
  api.addHook("preHandler", async (request) => {
    const { userId } = request.params as { userId?: string }; // of the routes below, if at all
    if (userId !== undefined) notesOf(request).subject = userId;
  });
  addFaultHooks(api, { ...deps, refusalOf, plainFields: ["scope", "filter", "limit"] });
  api.setErrorHandler((thrown, request, reply) => {
    const error = apiError(thrown);
    if (error.facts.status >= 500) deps.logError(request.id, thrown);
    return sendRefusal(request, reply, refusalBy(error, request.id));
  });
  addTokenRoutes(api, deps);
  addUserRoutes(api, deps);
  addConnectionRoutes(api, deps);
  addDataRoutes(api, deps);
  addEventRoutes(api, deps);
  api.all("/*", async () => {
    throw basiqError("resource-not-found");
  });
}

function apiError(thrown: unknown): BasiqError {
  if (thrown instanceof BasiqError) return thrown;
  const status = thrown instanceof Error && "statusCode" in thrown ? thrown.statusCode : undefined;
  if (status === 400 || status === 413 || status === 415) return basiqError("invalid-content");
  return basiqError("internal-server-error");
}
