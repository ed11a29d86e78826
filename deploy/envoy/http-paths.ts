import type { SurfaceName } from "./contract.ts";

/** Answers 400 to every request, after an alert: an access token in an address is in every log on the way. */
export const tokenInQueryPath = "/api/connectors/access-token-in-query";

/**
 * Paths a service answers over its HTTP port on the common port of the gateway: what the typed contract cannot say. Everything
 * not here and not in the contract is 404.
 */
export interface HttpPaths {
  /** The mesh's name of the process. */
  readonly service: "wallet" | "credential";
  /** The host names these are served under where each surface has its own. */
  readonly surface: SurfaceName;
  readonly exact: readonly string[];
  /** Each also matches the bare path: `/wallet` and `/wallet/cards`, but not `/walletfoo`. */
  readonly prefixes: readonly string[];
  /** RE2, over the whole path without its query. */
  readonly patterns: readonly string[];
  /**
   * Requests are read whole here before they are passed on, and larger ones answered 413: a service that refuses one while it is still
   * being sent ends the connection, and the sender would see 503. Absent: passed on as they come.
   */
  readonly bodyBytesMax?: number;
}

/** The wallet's pages, what they load, and the redirects that end a consent. */
const walletPages: HttpPaths = {
  service: "wallet",
  surface: "wallet",
  exact: ["/", "/favicon.ico"],
  prefixes: [
    "/api/mobile/enrollment/callback",
    "/api/enrollment/callback",
    "/auth/callback",
    "/wallet",
    "/enroll",
    "/login",
    "/logout",
    "/sign-in",
    "/sign-up",
    "/sign-out",
    "/assets",
  ],
  patterns: [],
};

/** Providers' webhooks: their signatures cover the bytes as they were sent, which transcoding would change. */
const providerWebhooks: HttpPaths = {
  service: "credential",
  surface: "credential",
  exact: ["/api/v1/integrations/truelayer/webhook", "/api/open-banking/webhook", "/functions/v1/open-banking-webhook"],
  prefixes: [],
  patterns: ["/api/connectors/[a-z][a-z0-9-]*/webhook"],
  bodyBytesMax: 256 * 1024,
};

/** Where providers send a user's browser back, and where the gateway leads requests that carry a token in their address. */
const connectorPages: HttpPaths = {
  service: "credential",
  surface: "credential",
  exact: [tokenInQueryPath, "/api/v1/integrations/truelayer/callback", "/openbanking/callback"],
  prefixes: [],
  patterns: ["/api/connectors/[a-z][a-z0-9-]*/callback"],
};

/** People's connections of data providers, beside the wallet's pages: the wallet's sign-in opens both. */
const connectionPages: HttpPaths = {
  service: "credential",
  surface: "wallet",
  exact: [],
  prefixes: ["/connections"],
  patterns: [],
};

/** All of them; a new page or raw route of a service is a line here. */
export const httpPaths: readonly HttpPaths[] = [walletPages, connectionPages, providerWebhooks, connectorPages];

/** Paths of the wallet's HTTP port that no listener serves: between gateway and wallet alone. */
export const innerPathPrefix = "/internal";

/** Where the wallet publishes the keys phones' tokens are signed with, for the gateway alone. */
export const mobileKeysPath = "/internal/mobile-jwks";
