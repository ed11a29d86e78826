import type { JWK } from "jose";
import Provider, { type AdapterFactory, type AdapterPayload, type Configuration } from "oidc-provider";
import { useHashedClientSecrets } from "../../platform/oidc/client-secrets.ts";
import type { JwtAccessTokens } from "../../platform/oidc/jwt-access-tokens.ts";
import { ignoreParameter, serveJwtTokenEndpoints } from "../../platform/oidc/jwt-token-endpoints.ts";
import { providerDefaults } from "../../platform/oidc/provider-defaults.ts";
import type { Brand } from "../../platform/pages/brand.ts";
import { walletEnrollScope } from "../domain/wallet-credential.ts";
import type { Customer, CustomerStore } from "../storage/customer-store.ts";
import type { RegisteredClient, RegisteredClients } from "../storage/registered-client-store.ts";
import { isClientSecret } from "./client-secret.ts";
import type { IssueConsentToken } from "./consent-token-issuer.ts";
import type { IssueCredential } from "./credential-issuer.ts";
import type { RememberedGrants } from "./remembered-grants.ts";

/** The scope a merchant asks for a payment straight from the bank. */
export const paymentScope = "payment:authorize";

/** Scopes the bank's OIDC server knows. Contract section 2.12. */
export const bankScopes = [
  "openid",
  "offline_access",
  "profile",
  "email",
  "fdx:accountdetailed:read",
  "fdx:transactions:read",
  "fdx:customercontact:read",
  paymentScope,
  walletEnrollScope,
] as const;

const paths = {
  authorization: "/auth",
  token: "/token",
  userinfo: "/userinfo",
  jwks: "/.well-known/jwks.json",
  revocation: "/token/revoke",
  introspection: "/token/introspect",
  end_session: "/session/end",
} as const;

/** Other spellings clients of such servers use. */
export const providerAliases: Readonly<Record<string, string>> = {
  "/authorize": paths.authorization,
  "/jwks": paths.jwks,
  "/me": paths.userinfo,
  "/token/revocation": paths.revocation,
  "/token/introspection": paths.introspection,
};

/** What the bank's OIDC server needs. */
export interface BankProviderDeps {
  readonly issuer: string;
  /** The audience of every access token. */
  readonly audience: string;
  readonly brand: Brand;
  readonly secure: boolean;
  readonly adapter: AdapterFactory;
  readonly jwks: { readonly keys: readonly JWK[] };
  readonly jwtAccessTokens: JwtAccessTokens;
  readonly cookieKeys: readonly Buffer[];
  readonly secretPepper: Uint8Array;
  readonly customers: CustomerStore;
  readonly clients: RegisteredClients;
  readonly remembered: RememberedGrants;
  readonly issueCredential: IssueCredential;
  readonly issueConsentToken: IssueConsentToken;
}

/** The bank's OIDC server. Mount it below the issuer's path. */
export function createBankProvider(deps: BankProviderDeps): Provider {
  const provider = new Provider(deps.issuer, configurationOf(deps));
  useHashedClientSecrets(provider, async (clientId, secret) => {
    const stored = (await deps.clients.find(clientId))?.secretHash;
    return stored !== undefined && isClientSecret(deps.secretPepper, clientId, secret, stored);
  });
  // Every access token is for Open Banking whatever resource a client names.
  ignoreParameter(provider, { parameter: "resource", paths: [paths.authorization, paths.token] });
  serveJwtTokenEndpoints(provider, {
    tokens: deps.jwtAccessTokens,
    paths,
    userinfo: async (fiUserRef, scopes) => {
      const customer = await deps.customers.findByRef(fiUserRef);
      return customer && claimsOf(customer, scopes);
    },
  });
  return provider;
}

function configurationOf(deps: BankProviderDeps): Configuration {
  const defaults = providerDefaults(deps);
  const resourceServer = {
    scope: bankScopes.join(" "),
    audience: deps.audience,
    accessTokenFormat: "jwt",
    jwt: { sign: { alg: "RS256" } },
  } as const;
  return {
    ...defaults,
    routes: paths,
    scopes: [...bankScopes],
    claims: {
      openid: ["sub"],
      profile: ["name", "locale"],
      email: ["email", "email_verified"],
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: async (_ctx, fiUserRef) => {
      const customer = await deps.customers.findByRef(fiUserRef);
      if (customer === undefined) return undefined;
      return {
        accountId: fiUserRef,
        claims: async (_use, scope) => ({ sub: fiUserRef, ...claimsOf(customer, new Set(scope.split(" "))) }),
      };
    },
    loadExistingGrant: async (ctx) => {
      const decided = ctx.oidc.result?.consent?.grantId;
      if (decided !== undefined) return ctx.oidc.provider.Grant.find(decided);
      return deps.remembered.load(ctx);
    },
    // A wallet's link lasts until it is revoked, whatever becomes of the browser's session; with prompt=login alone the
    // server drops offline_access from the request, so the scope cannot decide.
    expiresWithSession: (_ctx, token) => !token.scopes.has(walletEnrollScope),
    issueRefreshToken: async (_ctx, client, code) =>
      client.grantTypeAllowed("refresh_token") &&
      (code.scopes.has("offline_access") || code.scopes.has(walletEnrollScope)),
    extraTokenClaims: (_ctx, token) => (token.kind === "AccessToken" ? extraClaims(deps, token) : undefined),
    features: {
      ...defaults.features,
      resourceIndicators: {
        enabled: true,
        defaultResource: () => deps.audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => resourceServer,
      },
    },
  };
}

async function extraClaims(
  deps: BankProviderDeps,
  token: { scope?: string | undefined; accountId: string; grantId: string; gty: string; clientId?: string | undefined },
): Promise<Record<string, unknown>> {
  const scopes = new Set(token.scope?.split(" "));
  const claims: Record<string, unknown> = {};
  if (scopes.has(walletEnrollScope)) {
    const [customer, client] = await Promise.all([
      deps.customers.findByRef(token.accountId),
      deps.clients.find(token.clientId ?? ""),
    ]);
    claims["fi_user_ref"] = token.accountId;
    claims["bsim_user_id"] = customer?.id;
    claims["wallet_credential"] = await deps.issueCredential(token.grantId, {
      fiUserRef: token.accountId,
      walletName: client?.name ?? "",
    });
  }
  // One token a payment consent: a refresh mints no second one.
  if (scopes.has(paymentScope) && token.gty === "authorization_code") {
    claims["card_token"] = await deps.issueConsentToken(token.grantId);
  }
  return claims;
}

function claimsOf(customer: Customer, scopes: ReadonlySet<string>): Record<string, unknown> {
  return {
    ...(scopes.has("profile") ? { name: customer.displayName, locale: customer.locale } : {}),
    // The bank knows its customers' addresses from opening the account.
    ...(scopes.has("email") ? { email: customer.email, email_verified: true } : {}),
  };
}

/** A client's metadata as the OIDC server reads it. With `secure`, plain http redirect URIs count as not registered. */
export function clientMetadata(client: RegisteredClient, secure: boolean): AdapterPayload | undefined {
  const allowed = (uris: readonly string[]) => uris.filter((uri) => !secure || !uri.startsWith("http:"));
  const redirectUris = allowed(client.redirectUris);
  if (redirectUris.length === 0) return undefined;
  return {
    client_id: client.clientId,
    client_name: client.name,
    redirect_uris: redirectUris,
    post_logout_redirect_uris: allowed(client.postLogoutRedirectUris),
    grant_types: [...client.grantTypes],
    response_types: ["code"],
    scope: client.scopes.join(" "),
    ...(client.secretHash === undefined
      ? { token_endpoint_auth_method: "none" as const }
      : {
          token_endpoint_auth_method: "client_secret_basic" as const,
          // Never compared: the hash stands in because the server wants the member to be there.
          client_secret: client.secretHash.toString("hex"),
        }),
  };
}
