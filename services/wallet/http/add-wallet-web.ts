import type { FastifyInstance } from "fastify";
import { answerWithPages } from "../../platform/pages/answer-with-pages.ts";
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
    answerWithPages(pages, { brand: walletBrand, errorTable: walletErrors, log: deps.log });
    addInteractionRoutes(pages, deps, provider, context);
    addWalletPages(pages, deps, context);
  });
}
