import { Readable } from "node:stream";
import type Provider from "oidc-provider";
import { type JwtAccessTokens, looksLikeJwt } from "./jwt-access-tokens.ts";

const bodyBytesMax = 56 * 1024;
/** No record has this id: the server then answers as for any token it does not know. */
const unknownToken = "unknown";

/** Before the provider's own routes there is no `ctx.oidc` yet. */
type KoaContext = Parameters<Parameters<Provider["use"]>[0]>[0];

/** Options of `serveJwtTokenEndpoints`. */
export interface JwtTokenEndpointOptions {
  readonly tokens: JwtAccessTokens;
  /** Paths as the provider sees them, without its mount path. */
  readonly paths: { readonly userinfo: string; readonly introspection: string; readonly revocation: string };
  /** The claims of an account for these scopes, without `sub`; undefined when the account is gone. */
  readonly userinfo: (accountId: string, scopes: ReadonlySet<string>) => Promise<Record<string, unknown> | undefined>;
}

/**
 * Makes introspection, revocation and userinfo work for JWT access tokens, which oidc-provider refuses there. The first two
 * stay the provider's own: a genuine JWT is replaced by the id of its row before the provider reads the form.
 */
export function serveJwtTokenEndpoints(provider: Provider, options: JwtTokenEndpointOptions): void {
  const { userinfo, introspection, revocation } = options.paths;
  provider.use(async (ctx, next) => {
    if (ctx.path === userinfo && (ctx.method === "GET" || ctx.method === "POST")) {
      const token = bearerToken(ctx.get("authorization"));
      if (token !== undefined && looksLikeJwt(token)) return answerUserinfo(ctx, token, options);
    }
    if (ctx.method === "POST" && (ctx.path === introspection || ctx.path === revocation)) {
      if (ctx.is("application/x-www-form-urlencoded"))
        await editForm(ctx, (form) => replaceToken(form, options.tokens));
    }
    return next();
  });
}

/** Makes the provider deaf to one request parameter, in queries and forms. */
export function ignoreParameter(
  provider: Provider,
  options: { readonly parameter: string; readonly paths: readonly string[] },
): void {
  provider.use(async (ctx, next) => {
    if (options.paths.includes(ctx.path)) {
      if (ctx.method === "GET") {
        const query = new URLSearchParams(ctx.querystring);
        if (query.has(options.parameter)) {
          query.delete(options.parameter);
          ctx.querystring = query.toString();
        }
      } else if (ctx.method === "POST" && ctx.is("application/x-www-form-urlencoded")) {
        await editForm(ctx, async (form) => form.delete(options.parameter));
      }
    }
    return next();
  });
}

/** The token of an `authorization: Bearer` header (RFC 6750 section 2.1). */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(header ?? "")?.[1];
}

async function answerUserinfo(ctx: KoaContext, token: string, options: JwtTokenEndpointOptions): Promise<void> {
  const verified = await options.tokens.verify(token);
  ctx.set("cache-control", "no-store");
  if (verified === undefined) return refuse(ctx, 401, "invalid_token", "invalid token provided");
  if (!verified.scopes.has("openid")) return refuse(ctx, 403, "insufficient_scope", "the token has no scope openid");
  const claims = await options.userinfo(verified.sub, verified.scopes);
  if (claims === undefined) return refuse(ctx, 401, "invalid_token", "invalid token provided");
  ctx.body = { ...claims, sub: verified.sub };
}

function refuse(ctx: KoaContext, status: number, error: string, description: string): void {
  ctx.status = status;
  ctx.set("www-authenticate", `Bearer error="${error}", error_description="${description}"`);
  ctx.body = { error, error_description: description };
}

async function replaceToken(form: URLSearchParams, tokens: JwtAccessTokens): Promise<void> {
  const given = form.getAll("token");
  if (given.length === 1 && given[0] !== undefined) form.set("token", await rowOf(given[0], tokens));
}

async function rowOf(token: string, tokens: JwtAccessTokens): Promise<string> {
  if (looksLikeJwt(token)) return (await tokens.recordId(token)) ?? unknownToken;
  // Ids of rows are ours to write, not the caller's.
  return token.startsWith("jwt:") ? unknownToken : token;
}

/** Reads the form, lets it be edited, and gives the provider a request with the new one. */
async function editForm(ctx: KoaContext, edit: (form: URLSearchParams) => Promise<void>): Promise<void> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of ctx.req) {
    received += chunk.length;
    if (received > bodyBytesMax) return ctx.throw(413);
    chunks.push(chunk);
  }
  const form = new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
  await edit(form);
  passOn(ctx, Buffer.from(form.toString()));
}

/** The provider reads the stream, so the stream is what has to be new. */
function passOn(ctx: KoaContext, body: Buffer): void {
  const { "transfer-encoding": _chunked, ...headers } = ctx.req.headers;
  const replacement = Object.assign(Readable.from([body]), {
    headers: { ...headers, "content-length": String(body.length) },
    method: ctx.req.method,
    url: ctx.req.url,
    socket: ctx.req.socket,
    httpVersion: ctx.req.httpVersion,
    ...("baseUrl" in ctx.req ? { baseUrl: ctx.req.baseUrl } : {}),
  });
  // Koa reads these members of a request and no others here; a whole IncomingMessage cannot be made from outside.
  ctx.req = ctx.request.req = ctx.response.req = replacement as unknown as typeof ctx.req;
}
