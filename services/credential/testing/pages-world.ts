import { createHttpServer } from "../../platform/http/create-http-server.ts";
import { createRateLimiter } from "../../platform/limits/rate-limiter.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { addConnectorRoutes } from "../http/connector-routes.ts";
import { createConsentBrowsers } from "../http/consent-browsers.ts";
import { addConnectionPages } from "../http/pages/connection-pages.ts";
import { credentialErrors } from "../rpc/error-table.ts";
import { createPlaidWorld, type PlaidWorld } from "./plaid-world.ts";

/** The pages over HTTP, beside the Plaid sandbox and its consent pages. */
export interface PagesWorld extends PlaidWorld {
  readonly origin: string;
  /** Where a browser becomes a user's: the wallet's sign-in stands here as an address. */
  signInUrl(userId: string): string;
}

/** Starts it. A session is the name of its user; what judges sessions elsewhere is the wallet's. */
export async function createPagesWorld(): Promise<PagesWorld> {
  const its = await createPlaidWorld();
  const { deps, refresher } = its.replica;
  const log = createLogger({ service: "credential", level: "silent" });
  const app = createHttpServer({ service: "credential", errorTable: credentialErrors, log });
  const limiter = createRateLimiter({ db: deps.storage.db });
  const visitors = {
    userOf: async (cookie: string | undefined) => /(?:^|; )wsim\.sid=([\w-]+)/.exec(cookie ?? "")?.[1],
    close: () => undefined,
  };
  const browsers = createConsentBrowsers({ key: deps.storage.browserMarkKey, secure: false });
  const parts = { deps, refresher, limiter, visitors, publicUrl: "", browsers };
  addConnectionPages(app, parts);
  addConnectorRoutes(app, { deps, limiter, mobileUser: undefined, browsers });
  app.get("/login", async () => "the wallet's sign-in");
  app.get("/sign-in-as/:user", async (request, reply) => {
    const user = String(Reflect.get(Object(request.params), "user"));
    return reply.header("set-cookie", `wsim.sid=${user}; Path=/; HttpOnly; SameSite=Lax`).send("signed in");
  });
  const origin = await app.listen({ host: "127.0.0.1", port: 0 });
  parts.publicUrl = origin;
  return {
    ...its,
    origin,
    signInUrl: (userId) => `${origin}/sign-in-as/${userId}`,
    close: async () => {
      await app.close();
      await its.close();
    },
  };
}
