import { type Configuration, errors, interactionPolicy, type KoaContextWithOIDC, Provider } from "oidc-provider";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { createOidcAdapter } from "../../platform/oidc/postgres-adapter.ts";
import { loadSigningKeys } from "../../platform/oidc/signing-keys.ts";
import { type AskingClient, type PaymentRequest, readPaymentRequest } from "../domain/payment-request.ts";
import { endPaymentOfGrant } from "../storage/oidc-payments-store.ts";
import { findUserById } from "../storage/users-store.ts";
import { addAccessTokenRoutes } from "./access-token-routes.ts";
import { clientMetadata, isClientSecret } from "./client-metadata.ts";
import { assertIssuerSafe, type OidcDeps, paymentResource, paymentScope } from "./oidc-deps.ts";
import { paymentTokenClaims } from "./payment-claims.ts";
import { logoutPage, logoutSuccessPage, providerErrorPage } from "./provider-pages.ts";

const secondsByKind = {
  AuthorizationCode: 10 * 60,
  AccessToken: 5 * 60,
  IdToken: 3600,
  // Long enough to enrol a bank on the way.
  Interaction: 3600,
  Session: 14 * 24 * 3600,
  Grant: 14 * 24 * 3600,
} as const;

const routes = {
  authorization: "/auth",
  token: "/token",
  userinfo: "/me",
  jwks: "/jwks",
  revocation: "/token/revocation",
  introspection: "/token/introspection",
  pushed_authorization_request: "/request",
  end_session: "/session/end",
} as const;

/** The payment an authorisation request asks for; undefined for a plain sign-in. Throws `PAYMENT_REQUEST_INVALID`. */
export function paymentOf(
  parameters: Readonly<Record<string, unknown>>,
  client: AskingClient,
): PaymentRequest | undefined {
  return readPaymentRequest(
    { claims: parameters["claims"], authorizationDetails: parameters["authorization_details"] },
    client,
  );
}

/** The wallet's OIDC provider, with this deployment's own keys. Throws when the issuer is unsafe or a stored key does not open. */
export async function createWalletProvider(deps: OidcDeps): Promise<Provider> {
  const issuer = deps.settings.oidcIssuer;
  assertIssuerSafe(issuer, deps.allowHttp);
  const jwks = await loadSigningKeys({ db: deps.oidcDb, box: deps.box, algs: ["RS256"] });
  const provider = new Provider(issuer, configuration(deps, jwks));
  // Every URL and cookie follows the issuer: the bridge writes the forwarded headers itself.
  provider.proxy = true;
  // Koa takes a TLS socket for https before it looks at those headers, and the hop from the gateway is TLS.
  Object.defineProperty(provider.request, "protocol", { get: () => new URL(issuer).protocol.slice(0, -1) });
  provider.Client.prototype.compareClientSecret = function compareClientSecret(
    this: { clientId: string },
    secret: string,
  ) {
    return isClientSecret(deps.clients, deps.clientSecretPepper, { clientId: this.clientId, secret });
  };
  provider.on("server_error", (_ctx, error) => deps.log.error({ err: error }, "oidc provider failed"));
  addAccessTokenRoutes(provider, deps, jwks);
  return provider;
}

function configuration(deps: OidcDeps, jwks: Awaited<ReturnType<typeof loadSigningKeys>>): Configuration {
  const secure = deps.settings.oidcIssuer.startsWith("https:");
  const cookie = { signed: true, httpOnly: true, sameSite: "lax", secure } as const;
  return {
    jwks,
    adapter: createOidcAdapter({
      db: deps.oidcDb,
      clock: deps.clock,
      findClient: async (clientId) => {
        const client = deps.clients.find(clientId);
        return client === undefined ? undefined : clientMetadata(client, deps.allowHttp);
      },
      // The adapter's transaction is one of the wallet's own database; only its table type is narrower.
      onGrantEnd: (tx, grantId) => endPaymentOfGrant(tx as never, grantId, deps.clock.now()),
    }),
    scopes: ["openid", "profile", "email", paymentScope],
    claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
    responseTypes: ["code"],
    clientAuthMethods: ["client_secret_basic", "client_secret_post"],
    pkce: { required: () => true },
    ttl: secondsByKind,
    routes,
    // Cookies ignore ports, so every name carries the service.
    cookies: {
      names: { session: "wsim.oidc", interaction: "wsim.oidc.interaction", resume: "wsim.oidc.resume" },
      keys: [deps.keys.cookies],
      long: { ...cookie, path: "/" },
      // Each interaction's cookie lies below its own path, so that two payments can be open in one browser.
      short: cookie,
    },
    features: features(deps),
    extraParams: {
      claims: (ctx: KoaContextWithOIDC, value: string | undefined) => checkPaymentParameters(deps, ctx, value),
    },
    extraTokenClaims: (_ctx, token) => paymentTokenClaims(deps, token),
    findAccount: (_ctx, accountId) => findAccount(deps, accountId),
    // A payment is asked for anew each time; nothing of an earlier one is reused.
    loadExistingGrant: async (ctx) => {
      const grantId = ctx.oidc.result?.consent?.grantId;
      return grantId === undefined ? undefined : ctx.oidc.provider.Grant.find(grantId);
    },
    issueRefreshToken: async () => false,
    expiresWithSession: async () => false,
    interactions: {
      policy: onePagePolicy(),
      url: (_ctx, interaction) => `${deps.settings.oidcIssuer}/interaction/${interaction.uid}`,
    },
    renderError: async (ctx, out) => providerErrorPage(ctx, out),
    clientBasedCORS: () => false,
  };
}

function features(deps: OidcDeps): NonNullable<Configuration["features"]> {
  return {
    devInteractions: { enabled: false },
    // Its own `claims` parser knows `userinfo` and `id_token` members alone; ours reads `payment`.
    claimsParameter: { enabled: false },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
    introspection: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: async (ctx, form) => logoutPage(ctx, form),
      postLogoutSuccessSource: async (ctx) => logoutSuccessPage(ctx, deps.settings.appUrl),
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: async (ctx) =>
        new Set(String(ctx.oidc.params?.["scope"] ?? "").split(" ")).has(paymentScope) ? paymentResource : [],
      useGrantedResource: async () => true,
      getResourceServerInfo: async (_ctx, resource) => {
        if (resource !== paymentResource) throw new errors.InvalidTarget();
        return {
          scope: paymentScope,
          audience: paymentResource,
          accessTokenTTL: secondsByKind.AccessToken,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        };
      },
    },
    richAuthorizationRequests: {
      enabled: true,
      // The payment itself is checked with the claims parameter, in one place for both.
      types: { payment: { validate: () => undefined } },
      authorizationDetailsForGrantSource: async (ctx) => detailsOf(ctx),
      authorizationDetailsForAccessToken: async (_ctx, _token, source) => source?.rar as never,
      authorizationDetailsForIntrospection: async (_ctx, token) => token.rar as never,
    },
  };
}

function detailsOf(ctx: KoaContextWithOIDC) {
  const given = ctx.oidc.params?.["authorization_details"];
  // Parsed and checked when the request came in.
  return typeof given === "string" ? JSON.parse(given) : undefined;
}

/** Asks a person every time, on one page that signs in, shows the payment and takes the consent. */
function onePagePolicy(): interactionPolicy.Prompt[] {
  const { Prompt, Check } = interactionPolicy;
  return [
    new Prompt(
      { name: "login", requestable: true },
      new Check("page_needed", "the customer has to look at the request", (ctx) => {
        return ctx.oidc.result?.login === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
      }),
    ),
    new Prompt(
      { name: "consent", requestable: true },
      new Check("consent_needed", "the customer has to agree", (ctx) => {
        return ctx.oidc.result?.consent === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
      }),
    ),
  ];
}

function checkPaymentParameters(deps: OidcDeps, ctx: KoaContextWithOIDC, claims: string | undefined): void {
  const parameters: Record<string, unknown> = ctx.oidc.params ?? {};
  const client = deps.clients.find(ctx.oidc.client?.clientId ?? "");
  if (client === undefined) throw new errors.InvalidClient("client is unknown");
  const asksPayment = String(parameters["scope"] ?? "")
    .split(" ")
    .includes(paymentScope);
  try {
    const payment = paymentOf({ ...parameters, claims }, client);
    if (asksPayment && payment === undefined) throw new errors.InvalidRequest("the request names no payment");
    if (!asksPayment && payment !== undefined) throw new errors.InvalidRequest(`a payment needs scope ${paymentScope}`);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw new errors.InvalidRequest(`payment: ${String(error.facts["why"])}`);
  }
}

async function findAccount(deps: OidcDeps, userId: string) {
  const user = await findUserById(deps.db.query, userId);
  if (user === undefined) return undefined;
  return {
    accountId: userId,
    claims: async () => ({
      sub: userId,
      name: user.name,
      email: user.email,
      email_verified: user.verifiedAt !== null,
    }),
  };
}
