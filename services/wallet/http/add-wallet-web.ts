import type { FastifyInstance } from "fastify";
import { errorBody, translateError } from "../../platform/errors/error-table.ts";
import { httpErrors, reasonOfHttpError } from "../../platform/http/http-errors.ts";
import { messagePage } from "../../platform/pages/messages.ts";
import { sendPage } from "../../platform/pages/send-page.ts";
import { createWalletProvider } from "../oidc/create-provider.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import { walletErrors } from "../rpc/error-table.ts";
import { addInteractionRoutes } from "./interaction-routes.ts";
import { addOidcBridge } from "./oidc-bridge.ts";
import { createPageContext } from "./page-context.ts";
import { walletBrand } from "./wallet-brand.ts";
import { addWalletPages } from "./wallet-pages.ts";

/**
 * Everything of the wallet that a browser or a merchant's OAuth client meets: the OIDC provider with its payment page, and
 * the wallet's own pages. Makes this deployment's signing key at the first start.
 */
export async function addWalletWeb(app: FastifyInstance, deps: OidcDeps): Promise<void> {
  const provider = await createWalletProvider(deps);
  const context = createPageContext(deps);
  addOidcBridge(app, deps, provider);
  await app.register(async (pages) => {
    answerWithPages(pages, deps);
    addInteractionRoutes(pages, deps, provider, context);
    addWalletPages(pages, deps, context);
  });
}

/** Errors on pages are pages; the other routes of the port keep their JSON. */
function answerWithPages(pages: FastifyInstance, deps: OidcDeps): void {
  pages.setErrorHandler((thrown, request, reply) => {
    const told = translateError({ ...httpErrors, ...walletErrors }, reasonOfHttpError(thrown));
    if (told.http >= 500) deps.log.error({ err: thrown, requestId: request.id, reason: told.reason }, "page failed");
    const retryAfterSeconds = told.members["retryAfterSeconds"];
    if (typeof retryAfterSeconds === "number") reply.header("retry-after", String(Math.ceil(retryAfterSeconds)));
    if (!(request.headers.accept ?? "").includes("text/html")) {
      return reply.code(told.http).type("application/json; charset=utf-8").send(errorBody(told));
    }
    const text = { brand: walletBrand, kind: "error", title: "That did not work", text: told.message } as const;
    return sendPage(reply, messagePage({ ...text, reference: request.id }), { status: told.http, formTarget: "none" });
  });
}
