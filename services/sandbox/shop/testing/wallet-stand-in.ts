import { createHash } from "node:crypto";
import Fastify, { type FastifyInstance } from "fastify";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { formText, parseForm } from "../../../platform/http/body-parsers.ts";
import { randomToken } from "../../../platform/secrets/random-token.ts";

/** An authorisation request as the provider received it. */
export interface SeenRequest {
  readonly parameters: Readonly<Record<string, string>>;
  readonly pushed: boolean;
}

/** A provider that says yes at once, for tests of a client; it checks the client, PKCE and single use of codes. */
export interface WalletStandIn {
  readonly issuer: string;
  readonly seen: SeenRequest[];
  /** Claims put into the next access tokens. */
  claims: Record<string, unknown>;
  /** Answers the next requests with this OAuth error instead of a code. */
  refuseWith: string | undefined;
  close(): Promise<void>;
}

/** Starts the provider on a free port. `par` announces pushed requests and the payment type. */
export async function startWalletStandIn(options: {
  clientId: string;
  clientSecret: string;
  par: boolean;
}): Promise<WalletStandIn> {
  const app = Fastify();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string" },
    async (_: unknown, body: string) => parseForm(body),
  );
  const keys = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "k", alg: "RS256", use: "sig" };
  const pushed = new Map<string, Record<string, string>>();
  const codes = new Map<string, Record<string, string>>();
  const state = { issuer: "", seen: [] as SeenRequest[], claims: {} as Record<string, unknown> };
  const standIn: WalletStandIn = Object.assign(state, { refuseWith: undefined, close: () => app.close() });
  addDiscovery(app, standIn, options.par, jwk);
  app.post("/request", async (request, reply) => {
    if (!isClient(request.headers.authorization, request.body, options))
      return reply.code(401).send({ error: "invalid_client" });
    const uri = `urn:ietf:params:oauth:request_uri:${randomToken(8)}`;
    pushed.set(uri, { ...(request.body as Record<string, string>) });
    return reply.code(201).send({ request_uri: uri, expires_in: 60 });
  });
  app.get<{ Querystring: Record<string, string> }>("/auth", async (request, reply) => {
    const stored = pushed.get(request.query["request_uri"] ?? "");
    const parameters = stored ?? request.query;
    standIn.seen.push({ parameters, pushed: stored !== undefined });
    const back = new URL(parameters["redirect_uri"] ?? "");
    back.searchParams.set("state", parameters["state"] ?? "");
    back.searchParams.set("iss", standIn.issuer);
    if (standIn.refuseWith !== undefined) back.searchParams.set("error", standIn.refuseWith);
    else {
      const code = randomToken(8);
      codes.set(code, parameters);
      back.searchParams.set("code", code);
    }
    return reply.redirect(back.href, 303);
  });
  app.post("/token", async (request, reply) => {
    if (!isClient(request.headers.authorization, request.body, options))
      return reply.code(401).send({ error: "invalid_client" });
    const code = formText(request.body, "code") ?? "";
    const asked = codes.get(code);
    codes.delete(code);
    const challenge = createHash("sha256")
      .update(formText(request.body, "code_verifier") ?? "")
      .digest("base64url");
    if (asked === undefined || asked["code_challenge"] !== challenge)
      return reply.code(400).send({ error: "invalid_grant" });
    const sign = (claims: Record<string, unknown>, audience: string) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: "RS256", kid: "k" })
        .setIssuer(standIn.issuer)
        .setSubject("user-1")
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime("5m")
        .sign(keys.privateKey);
    return {
      access_token: await sign(standIn.claims, formText(request.body, "resource") ?? "userinfo"),
      id_token: await sign({ nonce: asked["nonce"] }, options.clientId),
      token_type: "Bearer",
      expires_in: 300,
    };
  });
  state.issuer = await app.listen({ host: "127.0.0.1", port: 0 });
  return standIn;
}

function addDiscovery(app: FastifyInstance, standIn: WalletStandIn, par: boolean, jwk: object): void {
  app.get("/.well-known/openid-configuration", async () => ({
    issuer: standIn.issuer,
    authorization_endpoint: `${standIn.issuer}/auth`,
    token_endpoint: `${standIn.issuer}/token`,
    jwks_uri: `${standIn.issuer}/jwks`,
    response_types_supported: ["code"],
    authorization_response_iss_parameter_supported: true,
    ...(par
      ? {
          pushed_authorization_request_endpoint: `${standIn.issuer}/request`,
          authorization_details_types_supported: ["payment"],
        }
      : {}),
  }));
  app.get("/jwks", async () => ({ keys: [jwk] }));
}

function isClient(
  authorization: string | undefined,
  body: unknown,
  client: { clientId: string; clientSecret: string },
) {
  const basic = `Basic ${Buffer.from(`${client.clientId}:${client.clientSecret}`).toString("base64")}`;
  return authorization === basic || formText(body, "client_secret") === client.clientSecret;
}
