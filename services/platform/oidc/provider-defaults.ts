import type { JWK } from "jose";
import type { AdapterFactory, Configuration } from "oidc-provider";
import type { Brand } from "../pages/brand.ts";
import type { JwtAccessTokens } from "./jwt-access-tokens.ts";
import { showLogoutQuestion, showProviderError, showSignedOut } from "./provider-pages.ts";

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** Options of `providerDefaults`. */
export interface ProviderDefaultsOptions {
  readonly brand: Brand;
  readonly adapter: AdapterFactory;
  readonly jwks: { readonly keys: readonly JWK[] };
  readonly jwtAccessTokens: JwtAccessTokens;
  /** Signs the server's cookies; the first signs, all verify. */
  readonly cookieKeys: readonly (string | Buffer)[];
  /** False only where the issuer is http, in local development. */
  readonly secure: boolean;
}

/**
 * What every OIDC server of the product agrees on: code flow with PKCE S256, cookies named after the site, our pages,
 * rotation of refresh tokens, revocation and introspection. A service spreads it and adds scopes, claims and accounts.
 */
export function providerDefaults(options: ProviderDefaultsOptions) {
  const { brand } = options;
  const cookie = { httpOnly: true, sameSite: "lax", secure: options.secure, signed: true } as const;
  return {
    adapter: options.adapter,
    jwks: { keys: [...options.jwks.keys] },
    cookies: {
      keys: [...options.cookieKeys],
      names: { session: `${brand.id}.session`, interaction: `${brand.id}.interaction`, resume: `${brand.id}.resume` },
      long: { ...cookie, path: "/" },
      // Without a path: each interaction's cookies keep to its own pages, so two tabs do not disturb each other.
      short: cookie,
    },
    pkce: { required: () => true },
    responseTypes: ["code"],
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
    enabledJWA: { idTokenSigningAlgValues: ["RS256"] },
    rotateRefreshToken: true,
    clientBasedCORS: () => false,
    conformIdTokenClaims: false,
    formats: {
      customizers: {
        jwt: (_ctx, token, parts) => options.jwtAccessTokens.remember(token, parts.payload),
      },
    },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => showLogoutQuestion(brand, ctx, form),
        postLogoutSuccessSource: (ctx) => showSignedOut(brand, ctx),
      },
    },
    renderError: (ctx, out) => showProviderError(brand, ctx, out),
    ttl: {
      AccessToken: hour,
      AuthorizationCode: 10 * minute,
      IdToken: hour,
      RefreshToken: 90 * day,
      Session: 14 * day,
      Interaction: hour,
      Grant: 365 * day,
    },
  } satisfies Configuration;
}
