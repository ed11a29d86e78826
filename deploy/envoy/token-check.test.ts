import { setTimeout as sleep } from "node:timers/promises";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type GatewayWorld, startGatewayWorld } from "./testing/gateway-world.ts";

const keys = await generateKeyPair("ES256");
const strangers = await generateKeyPair("ES256");
let world: GatewayWorld;

beforeAll(async () => {
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  world = await startGatewayWorld({
    addPages: { wallet: (app) => void app.get("/internal/mobile-jwks", async () => ({ keys: [jwk] })) },
    change: { checkMobileTokens: true },
  });
  world.behaviours.set("Wallet.listAccounts", async (_request, ctx) => ({
    accounts: [{ displayName: ctx.header("authorization") ?? "none" }],
  }));
  await untilKeysArrive();
});

afterAll(() => world?.stop());

interface TokenChange {
  audience?: string;
  expiresIn?: string;
  key?: CryptoKey;
}

function token(change: TokenChange = {}): Promise<string> {
  return new SignJWT({ type: "access" })
    .setProtectedHeader({ alg: "ES256", kid: "k1" })
    .setSubject("u1")
    .setAudience(change.audience ?? "mwsim")
    .setExpirationTime(change.expiresIn ?? "1h")
    .sign(change.key ?? keys.privateKey);
}

async function listAccounts(authorization?: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const response = await fetch(`${world.url}/api/mobile/accounts`, { headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The gateway fetches the keys by itself shortly after it starts. */
async function untilKeysArrive(): Promise<void> {
  const good = `Bearer ${await token()}`;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if ((await listAccounts(good)).status === 200) return;
    await sleep(100);
  }
  throw new Error("the gateway never fetched the keys");
}

it("lets a valid token pass and hands it to the service", async () => {
  const good = `Bearer ${await token()}`;
  expect(await listAccounts(good)).toMatchObject({ status: 200, body: { accounts: [{ displayName: good }] } });
});

it("refuses a missing, expired, foreign or unsigned token with 401 in the one shape", async () => {
  const unsigned = new UnsecuredJWT({ type: "access" }).setAudience("mwsim").setExpirationTime("1h").encode();
  const wrong = [
    undefined,
    "Bearer",
    "Bearer nonsense",
    `Basic ${await token()}`,
    `Bearer ${await token({ expiresIn: "-1m" })}`,
    `Bearer ${await token({ key: strangers.privateKey })}`,
    `Bearer ${unsigned}`,
  ];
  for (const authorization of wrong) {
    const { status, body } = await listAccounts(authorization);
    expect({ status, error: body["error"], code: body["code"], details: body["details"] }, authorization).toEqual({
      status: 401,
      error: "unauthorized",
      code: 16,
      details: [],
    });
  }
});

it("refuses a token for another audience", async () => {
  const { status } = await listAccounts(`Bearer ${await token({ audience: "someone-else" })}`);
  expect([401, 403]).toContain(status);
});

it("does not ask for a token where another credential or none suffices", async () => {
  world.behaviours.set("Wallet.listCards", async () => ({ cards: [] }));
  world.behaviours.set("Wallet.listMobileBanks", async () => ({ banks: [] }));
  for (const path of ["/api/wallet/cards", "/api/mobile/enrollment/banks"]) {
    expect((await fetch(world.url + path)).status, path).toBe(200);
  }
});

it("answers 503, not 401, to a valid token while the wallet is away", async () => {
  await world.stopService("wallet");
  expect((await listAccounts(`Bearer ${await token()}`)).status).toBe(503);
});
