import { randomBytes } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";
import type { HttpServerOptions } from "../../../platform/http/create-http-server.ts";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import { problemView } from "../../kit/http/consent-views.ts";
import { addControlRoutes } from "../../kit/http/control-routes.ts";
import { createSandboxServer } from "../../kit/http/create-sandbox-server.ts";
import { addFaultHooks, sendRefusal } from "../../kit/http/fault-hooks.ts";
import { headerOf } from "../../kit/http/request-fields.ts";
import { PlaidError, plaidError } from "../domain/plaid-error.ts";
import { settingsShape } from "../domain/settings.ts";
import type { ApiDeps } from "./api-deps.ts";
import { refusalBy, refusalOf } from "./api-faults.ts";
import { addOwnControlRoutes } from "./control-routes.ts";
import { addInstitutionRoutes } from "./institution-routes.ts";
import { addItemRoutes } from "./item-routes.ts";
import { addLinkApiRoutes } from "./link-api-routes.ts";
import { addLinkPages } from "./link-pages.ts";
import { linkPage } from "./link-views.ts";
import { addSandboxRoutes } from "./sandbox-routes.ts";
import { addTransactionRoutes } from "./transaction-routes.ts";

/** The only version of the API this sandbox speaks. */
const apiVersion = "2020-09-14";

const gone = (http: number, error: string, message: string) => ({
  code: GrpcCode.FAILED_PRECONDITION,
  http,
  error,
  message,
});

const pageErrors: ErrorTable = Object.freeze({
  LINK_UNKNOWN: gone(400, "link_unknown", "This link is not valid. Please start again where you came from."),
  LINK_EXPIRED: gone(410, "link_expired", "This link is too old. Please start again where you came from."),
  LINK_OVER: gone(409, "link_over", "This link was used already. Please start again where you came from."),
  LINK_LOCKED: gone(429, "link_locked", "Too many attempts to sign in. Please start again where you came from."),
  LINK_NO_ACCOUNTS: gone(400, "link_no_accounts", "Choose at least one account to share. Go back and try again."),
});

/** The sandbox over HTTP: Plaid's API, Link's pages and the control API. The caller listens and closes. */
export function createPlaidServer(
  deps: ApiDeps & { csrfKey: Uint8Array; log: HttpServerOptions["log"]; isReady: () => Promise<boolean> },
): FastifyInstance {
  const app = createSandboxServer(
    { service: "sandbox-plaid", errorTable: pageErrors, problemPage: (text) => linkPage("Problem", problemView(text)) },
    deps,
  );
  addLinkPages(app, deps);
  const reset = () => deps.items.clear();
  addControlRoutes(app, { ...deps, settingsShape, refusalOf, reset }, (scope) => addOwnControlRoutes(scope, deps));
  app.register(async (api) => addApi(api, deps));
  return app;
}

function addApi(api: FastifyInstance, deps: ApiDeps): void {
  api.addHook("onRequest", async (request, reply) => {
    // Plaid's request ids are short; this one also stands in the body.
    request.id = randomBytes(12).toString("base64url").replaceAll(/[-_]/g, "0").slice(0, 15);
    reply.header("x-request-id", request.id);
  });
  addFaultHooks(api, { ...deps, refusalOf });
  api.addHook("preHandler", async (request) => authenticate(deps.client, request));
  api.setErrorHandler((thrown, request, reply) => {
    const error = apiError(thrown);
    if (error.facts.status >= 500) deps.logError(request.id, thrown);
    return sendRefusal(request, reply, refusalBy(error, request.id));
  });
  addItemRoutes(api, deps);
  addTransactionRoutes(api, deps);
  addInstitutionRoutes(api, deps);
  addLinkApiRoutes(api, deps);
  addSandboxRoutes(api, deps);
  api.post("/*", async () => {
    throw plaidError("NOT_FOUND");
  });
}

function apiError(thrown: unknown): PlaidError {
  if (thrown instanceof PlaidError) return thrown;
  const status = thrown instanceof Error && "statusCode" in thrown ? thrown.statusCode : undefined;
  if (status === 400 || status === 413 || status === 415) return plaidError("INVALID_BODY");
  return plaidError("INTERNAL_SERVER_ERROR");
}

const credentials = z.object({ client_id: z.string().max(200).optional(), secret: z.string().max(200).optional() });

/** The application's credentials, from headers or from the body as older clients send them. */
function authenticate(client: ApiDeps["client"], request: FastifyRequest): void {
  const version = request.headers["plaid-version"];
  if (version !== undefined && version !== apiVersion) {
    throw plaidError("INVALID_HEADERS", `Plaid-Version must be ${apiVersion}`);
  }
  const body = credentials.safeParse(request.body ?? {});
  if (!body.success) throw plaidError("INVALID_BODY");
  const id = headerOf(request, "plaid-client-id") ?? body.data.client_id;
  const secret = headerOf(request, "plaid-secret") ?? body.data.secret;
  const missing = [...(id === undefined ? ["client_id"] : []), ...(secret === undefined ? ["secret"] : [])];
  if (id === undefined || secret === undefined) {
    throw plaidError("MISSING_FIELDS", `the following required fields are missing: ${missing.join(", ")}`);
  }
  const known = textsEqual(id, client.id);
  if (!textsEqual(secret, client.secret) || !known) throw plaidError("INVALID_API_KEYS");
}
