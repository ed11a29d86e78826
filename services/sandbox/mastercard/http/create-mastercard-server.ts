import { createPublicKey } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";
import type { HttpServerOptions } from "../../../platform/http/create-http-server.ts";
import { reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import { problemView } from "../../kit/http/consent-views.ts";
import { addControlRoutes } from "../../kit/http/control-routes.ts";
import { createSandboxServer } from "../../kit/http/create-sandbox-server.ts";
import { addFaultHooks, sendRefusal } from "../../kit/http/fault-hooks.ts";
import { headerOf } from "../../kit/http/request-fields.ts";
import { FinicityError, finicityError } from "../domain/finicity-error.ts";
import { settingsShape } from "../domain/settings.ts";
import { addAccountRoutes } from "./account-routes.ts";
import type { ApiDeps } from "./api-deps.ts";
import { refusalBy, refusalOf } from "./api-faults.ts";
import { addAuthorizationRoutes } from "./authorization-routes.ts";
import { addConnectPages, type ConnectPagesDeps, connectPage } from "./connect-pages.ts";
import { addConnectRoutes } from "./connect-routes.ts";
import { addOwnControlRoutes } from "./control-routes.ts";
import { addCustomerRoutes } from "./customer-routes.ts";
import { addInstitutionRoutes } from "./institution-routes.ts";
import { addPartnerRoutes } from "./partner-routes.ts";
import { addSubscriptionRoutes } from "./subscription-routes.ts";
import { addTransactionRoutes } from "./transaction-routes.ts";

const failed = (http: number, error: string, message: string) => ({
  code: http === 404 ? GrpcCode.NOT_FOUND : GrpcCode.FAILED_PRECONDITION,
  http,
  error,
  message,
});

const pageErrors: ErrorTable = Object.freeze({
  LINK_UNKNOWN: failed(404, "link_unknown", "This link is not valid. Please start again where you came from."),
  LINK_EXPIRED: failed(410, "link_expired", "This link is too old. Please start again where you came from."),
  LINK_OVER: failed(409, "link_over", "This link was used already. Please start again where you came from."),
  LINK_LOCKED: failed(429, "link_locked", "Too many attempts to sign in. Please start again where you came from."),
  INSTITUTION_UNKNOWN: failed(400, "institution_unknown", "That bank is not offered here."),
  SIGN_IN_REFUSED: failed(401, "sign_in_refused", "The user name or password is not right."),
  ACCOUNTS_MISSING: failed(400, "accounts_missing", "Choose at least one account to share. Go back and try again."),
});

/** The sandbox over HTTP: the API, Connect's pages and the control API. The caller listens and closes. */
export function createMastercardServer(
  deps: ApiDeps & ConnectPagesDeps & { log: HttpServerOptions["log"]; isReady: () => Promise<boolean> },
): FastifyInstance {
  const app = createSandboxServer(
    {
      service: "sandbox-mastercard",
      errorTable: pageErrors,
      problemPage: (text) => connectPage("Problem", problemView(text)),
    },
    deps,
  );
  app.get("/webhook-key.pem", async (_request, reply) => {
    const { privateKey } = await deps.keys.current();
    const pem = createPublicKey(privateKey).export({ format: "pem", type: "spki" });
    return reply.type("application/x-pem-file").send(pem);
  });
  addConnectPages(app, deps);
  const reset = async () => {
    await Promise.all([deps.customers.clear((await deps.moment()).now), deps.subscriptions.clear()]);
    await deps.partners.unlock();
  };
  addControlRoutes(app, { ...deps, settingsShape, refusalOf, reset }, (scope) => addOwnControlRoutes(scope, deps));
  app.register(async (scope) => addApi(scope, deps));
  return app;
}

function addApi(api: FastifyInstance, deps: ApiDeps & { log: HttpServerOptions["log"] }): void {
  const plainFields = ["fromDate", "toDate", "start", "limit", "sort", "language", "consumerId"];
  addFaultHooks(api, { ...deps, refusalOf, plainFields });
  api.setErrorHandler((thrown, request, reply) => {
    const error = apiError(thrown);
    if (error.status >= 500) deps.log.error({ requestId: request.id, err: thrown }, "call failed");
    return sendRefusal(request, reply, refusalBy(error, request.url));
  });
  addPartnerRoutes(api, deps.partner);
  api.register(async (scope) => {
    scope.addHook("preHandler", async (request) => {
      deps.partner.checkKey(headerOf(request, "finicity-app-key"));
      await deps.partner.checkToken(headerOf(request, "finicity-app-token"));
    });
    addCustomerRoutes(scope, deps);
    addConnectRoutes(scope, deps);
    addInstitutionRoutes(scope, deps);
    addAccountRoutes(scope, deps);
    addTransactionRoutes(scope, deps);
    addAuthorizationRoutes(scope, deps);
    addSubscriptionRoutes(scope, deps);
  });
}

function apiError(thrown: unknown): FinicityError {
  if (thrown instanceof FinicityError) return thrown;
  return reasonOfHttpError(thrown) instanceof DomainError ? finicityError("14020") : finicityError("500");
}
