/**
 * Paths the wallet answers over HTTP on the common port: its pages, what they load, and the redirects that end a consent.
 * Everything here is outside the typed contract; everything not here and not in the contract is 404.
 */
export const walletPagePaths: { readonly exact: readonly string[]; readonly prefixes: readonly string[] } = {
  exact: ["/", "/favicon.ico"],
  // Each also matches the bare path: `/wallet` and `/wallet/cards`, but not `/walletfoo`.
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
};

/** Paths of the wallet's HTTP port that no listener serves: between gateway and wallet alone. */
export const innerPathPrefix = "/internal";

/** Where the wallet publishes the keys phones' tokens are signed with, for the gateway alone. */
export const mobileKeysPath = "/internal/mobile-jwks";
