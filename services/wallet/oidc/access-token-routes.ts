import { createLocalJWKSet, type JWK, type JWTPayload, jwtVerify } from "jose";
import type { KoaContextWithOIDC, Provider } from "oidc-provider";
import { publicKeys } from "../../platform/oidc/signing-keys.ts";
import { clearedSessionCookie, readWebSession } from "../flows/web-session.ts";
import { findLiveAccessToken, type NotedAccessToken } from "../storage/oidc-access-tokens-store.ts";
import { findUserById } from "../storage/users-store.ts";
import { revokeWebSession } from "../storage/web-sessions-store.ts";
import { endGrant } from "./end-abandoned-payments.ts";
import { type OidcDeps, paymentResource } from "./oidc-deps.ts";

const tokenLengthMax = 8 * 1024;

type Middleware = (ctx: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void>;

/**
 * Serves what the provider refuses for JWT access tokens: revocation (RFC 7009), introspection (RFC 7662) and `/me`. The
 * provider has authenticated the client by the time it says `unsupported_token_type`.
 */
export function addAccessTokenRoutes(provider: Provider, deps: OidcDeps, jwks: { readonly keys: JWK[] }): void {
  const keys = createLocalJWKSet(publicKeys(jwks));
  const readToken = async (token: unknown): Promise<ReadToken | undefined> => {
    if (typeof token !== "string" || token.length > tokenLengthMax) return undefined;
    const verified = await jwtVerify(token, keys, {
      issuer: deps.settings.oidcIssuer,
      audience: paymentResource,
      typ: "at+jwt",
      algorithms: ["RS256"],
      requiredClaims: ["sub", "jti", "exp"],
      currentDate: deps.clock.now(),
    }).catch(() => undefined);
    const { sub, jti } = verified?.payload ?? {};
    if (verified === undefined || sub === undefined || jti === undefined) return undefined;
    const noted = await findLiveAccessToken(deps.oidcDb.query, { userId: sub, jti, now: deps.clock.now() });
    return noted === undefined ? undefined : { payload: verified.payload, noted };
  };
  const serve: Middleware = async (ctx, next) => {
    if (ctx.path === "/me") return answerMe(deps, ctx, next, readToken);
    await next();
    if (isRefusedJwt(ctx, "revocation")) await revoke(deps, ctx, readToken);
    if (isRefusedJwt(ctx, "introspection")) await introspect(ctx, readToken);
    // "Stay signed in" ends the same way, without the word.
    const isSignedOut = ctx.oidc?.route === "end_session_confirm" && ctx.status === 303 && ctx.oidc.params?.["logout"];
    if (isSignedOut) await endWalletSession(deps, ctx);
  };
  provider.use(serve as never); // Koa's own types know no oidc member; the provider defines it before this runs
}

interface ReadToken {
  readonly payload: JWTPayload;
  readonly noted: NotedAccessToken;
}

type ReadAccessToken = (token: unknown) => Promise<ReadToken | undefined>;

function isRefusedJwt(ctx: KoaContextWithOIDC, route: string): boolean {
  const body: unknown = ctx.body;
  const refused = typeof body === "object" && body !== null && Reflect.get(body, "error") === "unsupported_token_type";
  return refused && ctx.oidc?.route === route;
}

async function revoke(deps: OidcDeps, ctx: KoaContextWithOIDC, readToken: ReadAccessToken): Promise<void> {
  const read = await readToken(ctx.oidc.params?.["token"]);
  // Another client's token is left alone, and the answer does not tell (RFC 7009, section 2.2).
  if (read !== undefined && read.noted.clientId === ctx.oidc.client?.clientId) {
    await endGrant(deps, read.noted.grantId);
  }
  ctx.status = 200;
  ctx.body = "";
}

async function introspect(ctx: KoaContextWithOIDC, readToken: ReadAccessToken): Promise<void> {
  const read = await readToken(ctx.oidc.params?.["token"]);
  ctx.status = 200;
  if (read === undefined || read.noted.clientId !== ctx.oidc.client?.clientId) {
    ctx.body = { active: false };
    return;
  }
  const { sub, aud, iss, exp, iat, jti } = read.payload;
  const { clientId, scope } = read.noted;
  ctx.body = { active: true, sub, aud, iss, exp, iat, jti, client_id: clientId, scope, token_type: "Bearer" };
}

async function answerMe(
  deps: OidcDeps,
  ctx: KoaContextWithOIDC,
  next: () => Promise<void>,
  readToken: ReadAccessToken,
): Promise<void> {
  const bearer = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(ctx.get("authorization"))?.[1];
  if (bearer === undefined) return next();
  ctx.set("cache-control", "no-store");
  const read = await readToken(bearer);
  const user = read === undefined ? undefined : await findUserById(deps.db.query, read.noted.userId);
  if (read === undefined || user === undefined) {
    ctx.status = 401;
    ctx.set("www-authenticate", 'Bearer error="invalid_token"');
    ctx.body = { error: "invalid_token", error_description: "invalid token provided" };
    return;
  }
  // A payment token says who pays; name and address belong to tokens without a resource.
  ctx.status = 200;
  ctx.body = { sub: user.userId };
}

/** Signing out at the provider signs the browser out of the wallet. */
async function endWalletSession(deps: OidcDeps, ctx: KoaContextWithOIDC): Promise<void> {
  const session = await readWebSession(deps, ctx.get("cookie"));
  if (session !== undefined) await revokeWebSession(deps.db.query, session.sessionId, deps.clock.now());
  ctx.append("set-cookie", clearedSessionCookie(deps));
}
