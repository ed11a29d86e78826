import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { decodeJwt } from "jose";
import pino from "pino";
import type { Database } from "../../platform/db/open-database.ts";
import { createHttpServer } from "../../platform/http/create-http-server.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { randomHex, randomToken } from "../../platform/secrets/random-token.ts";
import { cheapPassword } from "../../platform/testing/cheap-password.ts";
import { createTestDatabase } from "../../platform/testing/postgres.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import { openBanking } from "../http/open-banking/open-banking.ts";
import { paymentNetwork } from "../http/payment-network/payment-network.ts";
import { createCardTokenVerifier } from "../http/payment-network/verify-card-token.ts";
import { type BankIdentityOptions, openBankIdentity } from "../oidc/bank-identity.ts";
import { deriveBankKeys } from "../oidc/bank-keys.ts";
import { hashClientSecret } from "../oidc/client-secret.ts";
import { createAccountStore } from "../storage/account-store.ts";
import { createAuthorizationStore } from "../storage/authorization-store.ts";
import { createAuthorizer } from "../storage/authorizer.ts";
import { createCardTokenStore } from "../storage/card-token-store.ts";
import type { IdentityTables } from "../storage/identity-tables.ts";
import { type Shown, TestBrowser } from "./test-browser.ts";

const bsimId = "north-bank";
const paymentKey = "payment-network-key-of-the-test-bank";
export const password = "correct horse battery";
export const wallet = {
  id: "wsim-wallet",
  secret: "wallet-secret-of-this-test",
  redirect: "http://127.0.0.1:1/callback",
};
export const merchant = {
  id: "ssim-merchant",
  secret: "merchant-secret-of-this-test",
  redirect: "http://127.0.0.1:2/done",
};
export const walletScope = "openid profile email wallet:enroll fdx:accountdetailed:read offline_access";

// biome-ignore lint/suspicious/noExplicitAny: a test compares members of JSON it does not trust; a wrong one fails it
type Json = any;

/** A customer of the test bank: two active cards, one inactive, two accounts. */
export interface TestCustomer {
  readonly id: string;
  readonly fiUserRef: string;
  readonly email: string;
  readonly visa: string;
  readonly mc: string;
  readonly inactive: string;
  readonly chequing: string;
}

/** A running bank with its identity half, served over real HTTP. */
export type IdentityUnderTest = Awaited<ReturnType<typeof startIdentity>>;

/** Starts one. The clock begins at the real time, because the OIDC server's own is the system's. */
export async function startIdentity(
  options: { credential?: BankIdentityOptions["credentialKey"]; callsPerMinute?: number } = {},
) {
  const test = await createTestDatabase({
    schema: "bank",
    directory: new URL("../storage/migrations/", import.meta.url),
  });
  const clock = new ManualClock(new Date());
  const keys = deriveBankKeys("a secret of the test bank with enough characters", bsimId);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const issuer = `${origin}/oidc`;
  const log = pino({ level: "warn" });
  const serve = async (db: Database<IdentityTables>) => {
    const identity = await openBankIdentity({
      db,
      keys,
      bsimId,
      name: "North Bank",
      issuer,
      openBankingUrl: `${origin}/open-banking`,
      credentialKey: options.credential ?? { secret: "the credential secret of the test bank, long" },
      credentialLifeDays: 90,
      signInAttemptsPerAccount: 10,
      ...(options.callsPerMinute === undefined ? {} : { callsPerMinute: options.callsPerMinute }),
      local: true,
      clock,
      log,
    });
    const app = createHttpServer({ service: "bank", errorTable: {}, log });
    await app.register(identity.routes);
    await app.register(openBanking, {
      prefix: "/open-banking",
      accounts: createAccountStore(db),
      readAccess: identity.readAccess,
      clock,
      log,
    });
    await app.register(paymentNetwork, {
      prefix: "/api/payment-network",
      apiKey: paymentKey,
      authorizer: createAuthorizer({ hotPool: db.hotPool, clock }),
      authorizations: createAuthorizationStore(db),
      cardTokens: createCardTokenStore(db),
      readCardToken: createCardTokenVerifier({ keys, bsimId, readAccess: identity.readAccess }),
      clock,
      log,
    });
    return app;
  };
  const db = test.open<IdentityTables>();
  let app = await serve(db);
  await app.listen({ host: "127.0.0.1", port });
  await addClients(db, keys.tokenPepper);
  const passwordHash = cheapPassword(password);

  const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(`${issuer}${path}`, { method: "POST", body: new URLSearchParams(fields), headers });
  const tokenCall = async (client: typeof wallet, fields: Record<string, string>) => {
    const response = await form("/token", { client_id: client.id, client_secret: client.secret, ...fields });
    return { status: response.status, body: (await response.json()) as Json };
  };
  const authUrl = (client: typeof wallet, scope: string, parameters: Record<string, string> = {}) => {
    const verifier = randomToken();
    const url = new URL(`${issuer}/auth`);
    url.search = new URLSearchParams({
      client_id: client.id,
      redirect_uri: client.redirect,
      response_type: "code",
      scope,
      state: "state-1",
      nonce: "nonce-1",
      prompt: "login",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...parameters,
    }).toString();
    return { url: url.href, verifier };
  };
  const signIn = (browser: TestBrowser, page: Shown, customer: TestCustomer) =>
    browser.submit(page, { email: customer.email, password });
  const exchange = (code: string, verifier: string, client = wallet) =>
    tokenCall(client, {
      grant_type: "authorization_code",
      code,
      redirect_uri: client.redirect,
      code_verifier: verifier,
    });

  return {
    db,
    clock,
    origin,
    issuer,
    keys,
    form,
    tokenCall,
    authUrl,
    signIn,
    exchange,
    browser: () => new TestBrowser(origin),
    addCustomer: (name?: string) => addCustomer(db, passwordHash, name),
    refresh: (refreshToken: string) => tokenCall(wallet, { grant_type: "refresh_token", refresh_token: refreshToken }),
    /** Signs in, allows, exchanges the code: what a wallet's enrolment does. */
    async enrol(
      customer: TestCustomer,
      choice: {
        browser?: TestBrowser;
        fields?: Record<string, string | string[]>;
        scope?: string;
        prompt?: string;
      } = {},
    ) {
      const browser = choice.browser ?? new TestBrowser(origin);
      const { url, verifier } = authUrl(wallet, choice.scope ?? walletScope, { prompt: choice.prompt ?? "login" });
      const consent = await signIn(browser, await browser.open(url), customer);
      const done =
        consent.leftFor === undefined ? await browser.submit(consent, choice.fields ?? {}, "Allow") : consent;
      if (done.leftFor === undefined)
        throw new Error(`the consent did not end: ${done.status} ${done.text.slice(-600)}`);
      const code = done.leftFor.searchParams.get("code") ?? "";
      const { status, body } = await exchange(code, verifier);
      if (status !== 200) throw new Error(`no token: ${JSON.stringify(body)}`);
      const claims = decodeJwt<Json>(body.access_token);
      return { ...body, claims, credential: claims.wallet_credential as string, code, verifier, asked: consent };
    },
    async api(path: string, credential: string | undefined, body?: unknown, headers: Record<string, string> = {}) {
      const response = await fetch(`${origin}/api/wallet${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Json };
    },
    async accounts(accessToken: string) {
      const response = await fetch(`${origin}/open-banking/accounts`, {
        headers: { authorization: `Bearer ${accessToken}` },
      });
      return { status: response.status, body: (await response.json()) as Json };
    },
    async pay(body: Record<string, unknown>) {
      const response = await fetch(`${origin}/api/payment-network/authorize`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-api-key": paymentKey },
        body: JSON.stringify({ orderId: randomToken(), ...body }),
      });
      return { status: response.status, body: (await response.json()) as Json };
    },
    /** A new process over the same database, as after a restart or on another replica. */
    async restart() {
      await app.close();
      app = await serve(test.open<IdentityTables>());
      await app.listen({ host: "127.0.0.1", port });
    },
    async stop() {
      await app.close();
      await test.drop();
    },
  };
}

async function addClients(db: Database<IdentityTables>, pepper: Buffer): Promise<void> {
  const scopes =
    "openid profile email wallet:enroll fdx:accountdetailed:read fdx:transactions:read offline_access".split(" ");
  await db.query
    .insertInto("oauth_clients")
    .values([
      {
        client_id: wallet.id,
        client_name: "Pocket Wallet",
        secret_hash: hashClientSecret(pepper, wallet.id, wallet.secret),
        redirect_uris: [wallet.redirect],
        scopes,
        grant_types: ["authorization_code", "refresh_token"],
        merchant_id: null,
      },
      {
        client_id: merchant.id,
        client_name: "Corner Shop",
        secret_hash: hashClientSecret(pepper, merchant.id, merchant.secret),
        redirect_uris: [merchant.redirect],
        scopes: ["openid", "payment:authorize"],
        grant_types: ["authorization_code"],
        merchant_id: "shop-1",
      },
    ])
    .execute();
}

async function addCustomer(
  db: Database<IdentityTables>,
  passwordHash: string,
  name = "Ada Example",
): Promise<TestCustomer> {
  const id = uuidv7();
  const customer = {
    id,
    fi_user_ref: randomHex(16),
    email: `${id}@example.com`,
    password_hash: passwordHash,
    display_name: name,
  };
  await db.query.insertInto("customers").values(customer).execute();
  const card = async (brand: "VISA" | "MC", lastFour: string, status: "active" | "inactive") => {
    const row = { id: uuidv7(), customer_id: id, brand, last_four: lastFour, holder: name.toUpperCase(), status };
    await db.query
      .insertInto("cards")
      .values({ ...row, expiry_month: 9, expiry_year: 2030, credit_limit_minor: 500_000n })
      .execute();
    return row.id;
  };
  const account = async (kind: "CHEQUING" | "SAVINGS", digits: string) => {
    const row = { id: uuidv7(), customer_id: id, kind, name: kind === "CHEQUING" ? "Everyday chequing" : "Savings" };
    await db.query
      .insertInto("accounts")
      .values({ ...row, masked_number: `****${digits}`, opened_on: "2020-01-01" })
      .execute();
    return row.id;
  };
  await account("SAVINGS", "2002");
  return {
    id,
    fiUserRef: customer.fi_user_ref,
    email: customer.email,
    visa: await card("VISA", "4242", "active"),
    mc: await card("MC", "4444", "active"),
    inactive: await card("VISA", "1111", "inactive"),
    chequing: await account("CHEQUING", "1001"),
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
