import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createLocalJWKSet, exportJWK, type JWK, jwtVerify, SignJWT } from "jose";
import Provider, { type Configuration } from "oidc-provider";
import type { Bank } from "../domain/bank.ts";
import { createMemoryAdapter } from "./memory-adapter.ts";

const audience = "urn:test-bank:open-banking";

/** What the bank's user says when asked, and how the bank behaves; tests change it between requests. */
export interface BankBehaviour {
  consent: "allow" | "deny";
  accessTokenSeconds: number;
  /** Whether tokens carry a wallet credential. */
  givesCredential: boolean;
  /** Whether a new credential is made at every refresh. */
  renewsCredential: boolean;
  givesRefreshToken: boolean;
  /** The user at the bank. */
  accountId: string;
  /** Drops the connection after the token endpoint has done its work: the answer is lost. */
  losesTokenAnswers: number;
  /** How long a rotated refresh token is still honoured. */
  graceMs: number;
  /** Answers 503 to everything. */
  isDown: boolean;
  /** Accepts connections and never answers. */
  isSilent: boolean;
  /** Milliseconds before the token endpoint answers. */
  tokenDelayMs: number;
  accounts: unknown[];
  accountsPageSize: number;
  cards: unknown[];
  /** Members of the answer to a card token request; `undefined` values are left out. */
  tokenAnswer: (body: Record<string, unknown>) => { status: number; body: unknown };
}

/** What arrived, for assertions. */
export interface BankRecord {
  /** `POST /oidc/token refresh_token` and so on. */
  readonly requests: string[];
  readonly cardTokenRequests: Record<string, unknown>[];
  /** Every secret that crossed the wire, to be looked for where it must not be. */
  readonly secrets: Set<string>;
}

/** A small real bank on 127.0.0.1: oidc-provider, wallet API and open banking. */
export interface TestBank {
  readonly bank: Bank;
  readonly origin: string;
  readonly client: { clientId: string; clientSecret: string };
  readonly behaviour: BankBehaviour;
  readonly record: BankRecord;
  /** Credentials the wallet API accepts. */
  readonly liveCredentials: Set<string>;
  /** Makes open banking refuse every access token issued so far. */
  refuseAccessTokens(): void;
  /** Ends every grant: refresh tokens answer `invalid_grant`. */
  endGrants(): Promise<void>;
  count(request: string): number;
  /** Keeps the next request for tokens at the door until it is let in; nothing is done for it before. */
  holdNextToken(): HeldToken;
  stop(): Promise<void>;
}

/** A request for tokens that waits. */
export interface HeldToken {
  /** Resolves when it has arrived. */
  readonly arrived: Promise<void>;
  /** Has it answered like any other; resolves once the answer has left. */
  letIn(): Promise<void>;
}

/** Starts a bank whose only redirect URI is the given one. */
export async function startTestBank(bankId: string, redirectUri: string): Promise<TestBank> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const origin = `http://127.0.0.1:${address.port}`;
  const state = new BankState(bankId, origin, redirectUri);
  await state.open();
  server.on("request", (request, response) => {
    state.serve(request, response).catch((error: unknown) => {
      process.stderr.write(`test bank: ${String(error)}\n`);
      response.destroy();
    });
  });
  return {
    bank: state.bank,
    origin,
    client: state.client,
    behaviour: state.behaviour,
    record: state.record,
    liveCredentials: state.liveCredentials,
    refuseAccessTokens: () => {
      state.accessTokensFrom = state.accessTokens;
    },
    endGrants: () => state.endGrants(),
    count: (request) => state.record.requests.filter((one) => one.startsWith(request)).length,
    holdNextToken: () => state.holdNextToken(),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class BankState {
  readonly bank: Bank;
  readonly client: { clientId: string; clientSecret: string };
  readonly record: BankRecord = { requests: [], cardTokenRequests: [], secrets: new Set() };
  readonly liveCredentials = new Set<string>();
  readonly behaviour: BankBehaviour;
  accessTokens = 0;
  accessTokensFrom = 0;
  readonly #issuer: string;
  readonly #redirectUri: string;
  readonly #privateKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  readonly #credentialByGrant = new Map<string, string>();
  readonly #grants = new Set<string>();
  readonly #jtis = new Map<string, number>();
  #door: ((response: ServerResponse) => Promise<void>) | undefined;
  #provider: Provider | undefined;
  #publicKeys: ReturnType<typeof createLocalJWKSet> | undefined;

  constructor(bankId: string, origin: string, redirectUri: string) {
    this.#issuer = `${origin}/oidc`;
    this.#redirectUri = redirectUri;
    this.client = { clientId: "wsim-wallet", clientSecret: `secret-of-the-wallet-at-${bankId}` };
    this.record.secrets.add(this.client.clientSecret);
    this.bank = {
      bankId,
      name: `Bank ${bankId}`,
      issuer: this.#issuer,
      apiUrl: origin,
      openBankingUrl: `${origin}/open-banking`,
      status: "active",
      health: "healthy",
      walletEnrollmentSupported: true,
    };
    this.behaviour = defaultBehaviour();
  }

  async open(): Promise<void> {
    const jwk: JWK = { ...(await exportJWK(this.#privateKey)), use: "sig", alg: "RS256", kid: "test" };
    const { n, e, kty } = jwk;
    this.#publicKeys = createLocalJWKSet({ keys: [{ n, e, kty, alg: "RS256", kid: "test" } as JWK] });
    this.#provider = new Provider(this.#issuer, this.#configuration(jwk));
    this.#provider.on("grant.success", (ctx) => this.#noteSecrets(ctx.body));
    this.#provider.on("server_error", (_ctx, error) => process.stderr.write(`test bank: ${error.message}\n`));
  }

  holdNextToken(): HeldToken {
    const arrived = Promise.withResolvers<void>();
    const open = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    this.#door = (response) => {
      this.#door = undefined;
      response.once("close", () => answered.resolve());
      arrived.resolve();
      return open.promise;
    };
    const letIn = () => {
      open.resolve();
      return answered.promise;
    };
    return { arrived: arrived.promise, letIn };
  }

  async endGrants(): Promise<void> {
    for (const grantId of this.#grants) await (await this.#opened().Grant.find(grantId))?.destroy();
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.#issuer);
    if (this.behaviour.isSilent) return;
    if (this.behaviour.isDown) {
      this.record.requests.push(`${request.method} ${url.pathname}`);
      response.writeHead(503).end();
      return;
    }
    if (url.pathname.startsWith("/oidc/interaction/")) return await this.#interact(request, response);
    if (url.pathname.startsWith("/oidc")) return await this.#serveOidc(request, response, url);
    this.record.requests.push(`${request.method} ${url.pathname}`);
    const answer = url.pathname.startsWith("/open-banking")
      ? await this.#openBanking(request, url)
      : await this.#walletApi(request, url);
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
  }

  #configuration(jwk: JWK): Configuration {
    return {
      clients: [
        {
          client_id: this.client.clientId,
          client_secret: this.client.clientSecret,
          redirect_uris: [this.#redirectUri],
          grant_types: ["authorization_code", "refresh_token"],
          response_types: ["code"],
          token_endpoint_auth_method: "client_secret_post",
        },
      ],
      adapter: createMemoryAdapter(() => this.behaviour.graceMs),
      jwks: { keys: [jwk] },
      scopes: ["openid", "offline_access", "profile", "email", "wallet:enroll", "fdx:accountdetailed:read"],
      claims: { openid: ["sub"], email: ["email"], profile: ["name"] },
      cookies: { keys: ["test"] },
      features: {
        devInteractions: { enabled: false },
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => audience,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: "wallet:enroll fdx:accountdetailed:read",
            audience,
            accessTokenFormat: "jwt",
            accessTokenTTL: this.behaviour.accessTokenSeconds,
            jwt: { sign: { alg: "RS256" } },
          }),
        },
      },
      interactions: { url: (_ctx, interaction) => `/oidc/interaction/${interaction.uid}` },
      issueRefreshToken: async () => this.behaviour.givesRefreshToken,
      rotateRefreshToken: () => true,
      expiresWithSession: () => false,
      findAccount: (_ctx, accountId) => ({
        accountId,
        claims: async () => ({ sub: accountId, email: `${accountId}@example.com`, name: `Customer ${accountId}` }),
      }),
      extraTokenClaims: async (_ctx, token) => this.#tokenClaims(token),
      ttl: {
        Session: 3600,
        Grant: 86_400,
        RefreshToken: 86_400,
        Interaction: 600,
        AuthorizationCode: 600,
        IdToken: 3600,
      },
      pkce: { required: () => true },
    };
  }

  async #tokenClaims(token: unknown): Promise<Record<string, string>> {
    const { grantId = "", accountId = "" } = token as { grantId?: string; accountId?: string }; // oidc-provider's tokens
    const claims: Record<string, string> = { fi_user_ref: `fi-${accountId}`, bsim_user_id: `user-${accountId}` };
    if (!this.behaviour.givesCredential) return claims;
    const existing = this.#credentialByGrant.get(grantId);
    const credential =
      existing === undefined || this.behaviour.renewsCredential ? await this.#makeCredential() : existing;
    this.#credentialByGrant.set(grantId, credential);
    return { ...claims, wallet_credential: credential };
  }

  async #makeCredential(): Promise<string> {
    const credential = await new SignJWT({ walletId: this.client.clientId, scope: "wallet:enroll wallet:cards" })
      .setProtectedHeader({ alg: "RS256", kid: "test" })
      .setJti(randomUUID())
      .setExpirationTime("90d")
      .sign(this.#privateKey);
    this.liveCredentials.add(credential);
    this.record.secrets.add(credential);
    return credential;
  }

  #noteSecrets(body: unknown): void {
    const answer = body as { access_token?: string; refresh_token?: string; id_token?: string }; // a token answer
    for (const secret of [answer.access_token, answer.refresh_token, answer.id_token]) {
      if (secret !== undefined) this.record.secrets.add(secret);
    }
    if (answer.access_token === undefined) return;
    this.accessTokens += 1;
    this.#jtis.set(jtiOf(answer.access_token), this.accessTokens);
  }

  async #interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const provider = this.#opened();
    const details = await provider.interactionDetails(request, response);
    if (this.behaviour.consent === "deny") {
      const refusal = { error: "access_denied", error_description: "the user said no" };
      await provider.interactionFinished(request, response, refusal);
      return;
    }
    const { accountId } = this.behaviour;
    if (details.prompt.name === "login") {
      await provider.interactionFinished(request, response, { login: { accountId, remember: false } });
      return;
    }
    const grant = new provider.Grant({ accountId, clientId: this.client.clientId });
    grant.addOIDCScope("openid profile email offline_access wallet:enroll fdx:accountdetailed:read");
    grant.addResourceScope(audience, "wallet:enroll fdx:accountdetailed:read");
    const grantId = await grant.save();
    this.#grants.add(grantId);
    await provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
  }

  async #serveOidc(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const isToken = url.pathname === "/oidc/token";
    const withBody = request as IncomingMessage & { body?: unknown; originalUrl?: string };
    if (request.method === "POST") {
      const form = new URLSearchParams(await readBody(request));
      withBody.body = Object.fromEntries(form);
      this.record.requests.push(`POST ${url.pathname} ${form.get("grant_type") ?? form.get("token_type_hint") ?? ""}`);
      for (const name of ["code", "refresh_token", "code_verifier"]) {
        const value = form.get(name);
        if (value !== null) this.record.secrets.add(value);
      }
    }
    if (isToken) await this.#door?.(response);
    if (isToken && this.behaviour.tokenDelayMs > 0) {
      await new Promise((resolve) => setTimeout(resolve, this.behaviour.tokenDelayMs));
    }
    if (isToken && this.behaviour.losesTokenAnswers > 0) {
      this.behaviour.losesTokenAnswers -= 1;
      response.end = (() => {
        response.socket?.destroy();
        return response;
      }) as typeof response.end; // the provider calls it once its work is stored
    }
    withBody.originalUrl = request.url ?? "";
    request.url = (request.url ?? "").replace(/^\/oidc/, "");
    await this.#opened().callback()(request, response);
  }

  async #openBanking(request: IncomingMessage, url: URL): Promise<{ status: number; body: unknown }> {
    const token = bearerOf(request);
    const verified = await this.#verify(token);
    if (!verified) return { status: 401, body: { error: "invalid_token", error_description: `token ${token}` } };
    const offset = Number.parseInt(url.searchParams.get("offset") ?? "0", 10);
    const { accounts, accountsPageSize } = this.behaviour;
    const end = offset + accountsPageSize;
    const page = end < accounts.length ? { nextOffset: end } : undefined;
    return { status: 200, body: { accounts: accounts.slice(offset, end), page } };
  }

  async #verify(token: string): Promise<boolean> {
    try {
      if (this.#publicKeys === undefined) return false;
      await jwtVerify(token, this.#publicKeys, { issuer: this.#issuer, audience });
      return (this.#jtis.get(jtiOf(token)) ?? 0) > this.accessTokensFrom;
    } catch {
      return false;
    }
  }

  async #walletApi(request: IncomingMessage, url: URL): Promise<{ status: number; body: unknown }> {
    const credential = bearerOf(request);
    const body = await readBody(request);
    if (!this.liveCredentials.has(credential)) {
      if (url.pathname.endsWith("/wallet/revoke")) return { status: 200, body: { revoked: true } };
      return { status: 401, body: { error: "credential_revoked", message: `no good: ${credential}` } };
    }
    switch (url.pathname) {
      case "/api/wallet/cards":
        return { status: 200, body: { cards: this.behaviour.cards } };
      case "/api/wallet/request-token": {
        const asked = JSON.parse(body) as Record<string, unknown>;
        this.record.cardTokenRequests.push(asked);
        return this.behaviour.tokenAnswer(asked);
      }
      case "/api/wallet/revoke":
        this.liveCredentials.delete(credential);
        return { status: 200, body: { revoked: true, revokedAt: new Date().toISOString() } };
      case "/api/wallet/tokens/known-token/revoke":
        return { status: 200, body: { revoked: true } };
      default:
        return { status: 404, body: { error: "not_found" } };
    }
  }

  #opened(): Provider {
    if (this.#provider === undefined) throw new Error("the bank is not open");
    return this.#provider;
  }
}

function defaultBehaviour(): BankBehaviour {
  return {
    consent: "allow",
    accessTokenSeconds: 3600,
    givesCredential: true,
    renewsCredential: false,
    givesRefreshToken: true,
    accountId: "anna",
    losesTokenAnswers: 0,
    graceMs: 30_000,
    isDown: false,
    isSilent: false,
    tokenDelayMs: 0,
    accounts: [
      {
        accountId: "acc-1",
        accountNumber: "****1234",
        accountType: "CHECKING",
        currency: { currencyCode: "CAD" },
        balance: { current: 1250.1, available: 1200, asOf: "2026-01-01T00:00:00Z" },
      },
    ],
    accountsPageSize: 100,
    cards: [
      { cardRef: "card-1", cardType: "VISA", cardHolder: "ANNA", lastFour: "4242", expiryMonth: 12, expiryYear: 2030 },
    ],
    tokenAnswer: () => ({
      status: 200,
      body: {
        cardToken: `ctok_${randomUUID().replaceAll("-", "")}`,
        tokenId: "known-token",
        expiresAt: new Date(Date.now() + 900_000).toISOString(),
        cardInfo: { lastFour: "4242", cardType: "VISA" },
      },
    }),
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer); // a socket without encoding gives buffers
  return Buffer.concat(chunks).toString("utf8");
}

function bearerOf(request: IncomingMessage): string {
  return (request.headers.authorization ?? "").replace(/^Bearer /, "");
}

function jtiOf(token: string): string {
  const payload = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { jti?: string };
  return payload.jti ?? "";
}
