import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inheritedEnvironment } from "../platform/testing/inherited-environment.ts";
import { createTestDatabase, type TestDatabase } from "../platform/testing/postgres.ts";
import { TestBrowser } from "./testing/test-browser.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const seedScript = fileURLToPath(new URL("seed-bench.ts", import.meta.url));
const paymentKey = "p".repeat(32);

let test: TestDatabase;
let environment: Record<string, string>;
let origin: string;

beforeAll(async () => {
  test = await createTestDatabase({ schema: "bank", directory: new URL("./storage/migrations/", import.meta.url) });
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  environment = {
    PAYMESH_ENV: "local",
    LOG_LEVEL: "error",
    PORT: String(port),
    DATABASE_URL: test.url,
    DATABASE_SCHEMA: test.schema,
    BSIM_ID: "north-bank",
    BSIM_NAME: "North Bank",
    BSIM_API_URL: origin,
    BSIM_AUTH_URL: `${origin}/oidc`,
    BSIM_PAYMENT_API_KEY: paymentKey,
    BSIM_ADMIN_KEY: "demo-operator-key",
    BSIM_ENCRYPTION_KEY: "e".repeat(32),
    WALLET_CREDENTIAL_SECRET: "w".repeat(32),
    BSIM_DEMO_DATA: "1",
    TRUST_PROXY: "true",
  };
});
afterAll(() => test.drop());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(script: string, env: Record<string, string>, args: readonly string[] = []) {
  const child: ChildProcess = spawn(process.execPath, [script, ...args], {
    env: { ...inheritedEnvironment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, out, err })));
  return { child, ended };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function get(path: string) {
  const response = await fetch(origin + path);
  return { status: response.status, body: await response.json() };
}

describe("a running bank", () => {
  let bank: ReturnType<typeof start>;
  beforeAll(async () => {
    bank = start(main, environment);
    for (let attempt = 0; attempt < 1_000; attempt += 1) {
      if (
        await get("/health").then(
          ({ status }) => status === 200,
          () => false,
        )
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the bank did not start");
  });

  it("tells its health, its origins and what the registry shall know", async () => {
    for (const path of ["/health", "/api/health"]) {
      expect(await get(path)).toEqual({
        status: 200,
        body: {
          status: "healthy",
          timestamp: expect.any(String),
          service: "north-bank",
          version: expect.any(String),
          compatibility: expect.any(Object),
        },
      });
    }
    expect((await get("/.well-known/webauthn")).body).toEqual({ origins: [origin] });
    const { body } = await get("/api/registry/info");
    expect(body).toEqual({
      bsimId: "north-bank",
      name: "North Bank",
      apiBaseUrl: origin,
      authServerUrl: `${origin}/oidc`,
      openBankingUrl: `${origin}/open-banking`,
      supportedCardTypes: ["VISA", "MC"],
      walletEnrollmentSupported: true,
      capabilities: ["idempotency", "void_by_key"],
    });
    expect(JSON.stringify(body)).not.toContain(paymentKey);
  });

  it("serves every door of the contract on its one port", async () => {
    const discovery = await get("/oidc/.well-known/openid-configuration");
    expect(discovery.body.issuer).toBe(`${origin}/oidc`);
    const addresses = Object.values(discovery.body).filter((value) => String(value).startsWith("http"));
    expect(addresses.filter((value) => String(value).includes("/api/api"))).toEqual([]);
    expect((await get("/open-banking/accounts")).status).toBe(401);
    expect((await get("/api/wallet/cards")).status).toBe(401);
    expect((await get("/api/admin/ledger")).status).toBe(401);
    expect((await get("/api/payment-network/authorize")).status).toBe(405);
    expect(await get("/nowhere")).toMatchObject({ status: 404, body: { error: "not_found", code: 5, details: [] } });
    const looked = await fetch(origin, { headers: { accept: "text/html,*/*" } });
    expect([looked.status, looked.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
    expect(await looked.text()).toContain("A wallet or a shop brings you to North Bank");
  });

  it("authorizes with tokens made for a benchmark, each once", async () => {
    const seeded = await start(seedScript, environment, ["--cards", "3", "--tokens", "5", "--amount", "2.50"]).ended;
    expect([seeded.err, seeded.code]).toEqual(["", 0]);
    const lines = seeded.out.trim().split("\n");
    expect(lines).toHaveLength(5);
    for (const line of lines) {
      const [cardToken, walletCardToken] = line.split(" ");
      expect(walletCardToken).toMatch(/^wsim_north-bank_[0-9a-f-]{36}$/);
      const statuses: string[] = [];
      for (let use = 0; use < 2; use += 1) {
        const response = await fetch(`${origin}/api/payment-network/authorize`, {
          method: "POST",
          headers: { "content-type": "application/json", "x-api-key": paymentKey },
          body: JSON.stringify({ cardToken, amount: 2.5, merchantId: "ssim-merchant", orderId: "o" }),
        });
        statuses.push((await response.json()).status);
      }
      expect(statuses).toEqual(["approved", "declined"]);
    }
  });

  it("counts attempts to sign in by the address its own proxy saw", async () => {
    const redirect = "https://wallet.example/callback";
    const client = { clientId: "pocket", redirectUris: [redirect], scopes: ["openid"] };
    const registered = await fetch(`${origin}/api/admin/clients`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-admin-key": "demo-operator-key" },
      body: JSON.stringify(client),
    });
    expect(registered.status).toBe(201);
    const asked = new URLSearchParams({
      client_id: client.clientId,
      redirect_uri: redirect,
      response_type: "code",
      scope: "openid",
      code_challenge: "c".repeat(43),
      code_challenge_method: "S256",
    });
    const browser = new TestBrowser(origin, { "x-forwarded-for": "9.9.9.9, 203.0.113.7" });
    const page = await browser.open(`${origin}/oidc/auth?${asked}`);
    expect((await browser.submit(page, { email: "nobody@example.com", password: "wrong" })).status).toBe(401);
    const { rows } = await test
      .open()
      .pool.query("select key_hash from rate_limit_windows where class = 'sign_in_address'");
    expect(rows).toEqual([{ key_hash: createHash("sha256").update("203.0.113.7").digest() }]);
  });

  it("keeps no full card or account number anywhere", async () => {
    const db = test.open();
    const { rows } = await db.pool.query(
      "select (select string_agg(c::text, ' ') from cards c) as cards, (select string_agg(a::text, ' ') from accounts a) as accounts",
    );
    expect(rows[0].cards).toContain("VISA");
    // Outside of ids and amounts nothing is as long as a card number.
    expect(rows[0].cards.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "")).not.toMatch(/\d{13,19}/);
    expect(rows[0].accounts).toMatch(/\*{4}\d{4}/);
  });

  it("stops cleanly when asked", async () => {
    bank.child.kill("SIGTERM");
    expect(await bank.ended).toMatchObject({ code: 0, err: "" });
  });
});

describe("a production bank", () => {
  const production = () => ({
    ...environment,
    PAYMESH_ENV: "production",
    BSIM_API_URL: "https://bank.example",
    BSIM_AUTH_URL: "https://bank.example/oidc",
    BSIM_ADMIN_KEY: "a".repeat(32),
    BSIM_DEMO_DATA: "0",
  });

  it("does not start over a database that holds the demo customers", async () => {
    const { code, err } = await start(main, production()).ended;
    expect(code).toBe(2);
    expect(err).toContain("customer1@example.com");
  });

  it("does not start with demo data, and says every problem at once", async () => {
    const { code, err } = await start(main, { ...production(), BSIM_DEMO_DATA: "1", BSIM_ENCRYPTION_KEY: "" }).ended;
    expect(code).toBe(2);
    expect(err).toContain("BSIM_ENCRYPTION_KEY is not set");
    expect(err).toContain("BSIM_DEMO_DATA");
  });
});
