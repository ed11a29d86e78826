import pino from "pino";
import { expect, it } from "vitest";
import type { Database } from "../../../platform/db/open-database.ts";
import { createHttpServer } from "../../../platform/http/create-http-server.ts";
import { setUp } from "../../../platform/testing/set-up.ts";
import { isClientSecret } from "../../oidc/client-secret.ts";
import { createLedgerReports } from "../../storage/ledger-summary.ts";
import { createOauthClientStore } from "../../storage/oauth-client-store.ts";
import type { MoneyTables } from "../../storage/tables.ts";
import { type BankUnderTest, startBank } from "../../testing/bank-under-test.ts";
import { adminApi } from "./admin-api.ts";

const adminKey = "operator-key-of-this-test";
const pepper = Buffer.alloc(32, 3);
let bank: BankUnderTest;
let origin: string;
let strictOrigin: string;
const stops: (() => Promise<unknown>)[] = [];

async function serve(db: Database<MoneyTables>, local: boolean): Promise<string> {
  const app = createHttpServer({ service: "bank", errorTable: {}, log: pino({ level: "silent" }) });
  await app.register(adminApi, {
    prefix: "/api/admin",
    bsimId: "north-bank",
    adminKey,
    secretPepper: pepper,
    local,
    clients: createOauthClientStore(db),
    reports: createLedgerReports(db),
    clock: bank.clock,
  });
  stops.push(() => app.close());
  return app.listen({ host: "127.0.0.1", port: 0 });
}

setUp(async () => {
  bank = await startBank();
  origin = await serve(bank.db, true);
  strictOrigin = await serve(bank.db, false);
  return async () => {
    for (const stop of stops.splice(0)) await stop();
    await bank.stop();
  };
});

async function call(method: string, path: string, body?: unknown, key = adminKey, base = origin) {
  const response = await fetch(`${base}/api/admin${path}`, {
    method,
    headers: { "x-admin-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

const client = {
  clientId: "wsim-wallet",
  clientName: "Wallet",
  clientSecret: "a-secret-of-the-wallet-client",
  redirectUris: ["http://127.0.0.1:8080/api/mobile/enrollment/callback/north-bank"],
  scopes: ["openid", "offline_access", "wallet:enroll"],
  grantTypes: ["authorization_code", "refresh_token"],
};

it("lets nobody in without the operator's key", async () => {
  for (const key of ["", "wrong"]) {
    for (const [method, path] of [
      ["POST", "/clients"],
      ["GET", "/clients"],
      ["GET", "/ledger"],
      ["GET", "/cards"],
      ["GET", "/customers"],
    ] as const) {
      expect((await call(method, path, method === "POST" ? client : undefined, key)).status).toBe(401);
    }
  }
});

it("creates a client, answers without its secret, and keeps only a hash", async () => {
  const created = await call("POST", "/clients", client);
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({ clientId: "wsim-wallet", active: true, grantTypes: client.grantTypes });
  expect(JSON.stringify(created.body)).not.toContain(client.clientSecret);
  const row = await bank.db.query.selectFrom("oauth_clients").selectAll().executeTakeFirstOrThrow();
  expect(row.secret_hash).toHaveLength(32);
  expect(isClientSecret(pepper, "wsim-wallet", client.clientSecret, row.secret_hash ?? Buffer.alloc(0))).toBe(true);
  expect(isClientSecret(pepper, "another", client.clientSecret, row.secret_hash ?? Buffer.alloc(0))).toBe(false);
});

it("replaces a client, with a new secret or with the one it has", async () => {
  await call("POST", "/clients", client);
  const { clientSecret: _, ...rest } = client;
  const updated = await call("PUT", "/clients/wsim-wallet", { ...rest, clientName: "Renamed", active: false });
  expect(updated).toMatchObject({ status: 200, body: { clientName: "Renamed", active: false } });
  const hash = async () =>
    (await bank.db.query.selectFrom("oauth_clients").select("secret_hash").executeTakeFirstOrThrow()).secret_hash;
  const before = await hash();
  expect(isClientSecret(pepper, "wsim-wallet", client.clientSecret, before ?? Buffer.alloc(0))).toBe(true);
  await call("PUT", "/clients/wsim-wallet", { ...rest, secret: "another-secret-of-it" });
  expect(await hash()).not.toEqual(before);
  expect((await call("GET", "/clients")).body.clients).toHaveLength(1);
  expect((await call("GET", "/clients/wsim-wallet")).body.clientId).toBe("wsim-wallet");
  expect((await call("GET", "/clients/unknown")).status).toBe(404);
});

it("names what is wrong with a client, never the value", async () => {
  const wrong: readonly (readonly [string, object])[] = [
    ["clientSecret", { clientSecret: "short" }],
    ["redirectUris", { redirectUris: ["no url"] }],
    ["redirectUris", { redirectUris: [] }],
    ["scopes", { scopes: ["everything"] }],
    ["grantTypes", { grantTypes: ["implicit"] }],
    ["clientId", { clientId: "with space" }],
  ];
  for (const [member, changed] of wrong) {
    const { status, body } = await call("POST", "/clients", { ...client, ...changed });
    expect([member, status]).toEqual([member, 400]);
    expect(body.message).toContain(member);
    expect(body.message).not.toContain("short");
  }
  expect((await call("POST", "/clients", client, adminKey, strictOrigin)).body.message).toContain("https");
});

it("sums the books by merchant and state, and lists cards and customers", async () => {
  const card = await bank.addCard({ limitMinor: 100_000n });
  const authorize = async (merchantId: string, amount: number) => {
    const cardToken = await bank.addToken(card);
    return (await bank.pay("/authorize", { cardToken, amount, merchantId, orderId: "o" })).body.authorizationCode;
  };
  const code = await authorize("shop-a", 100);
  await bank.pay("/capture", { authorizationCode: code, amount: 80 });
  await bank.pay("/refund", { authorizationCode: code, amount: 30 });
  await authorize("shop-b", 25);
  await bank.pay("/void", { idempotencyKey: "a-tombstone" });

  const { body } = await call("GET", "/ledger");
  expect(body).toMatchObject({
    bsimId: "north-bank",
    balanced: true,
    drifted: 0,
    totals: [{ currency: "CAD", total: 0 }],
  });
  expect(body.trialBalance).toEqual(
    expect.arrayContaining([
      { account: "card_receivable", currency: "CAD", balance: 50 },
      { account: "settlement", currency: "CAD", balance: -49.25 },
      { account: "interchange_income", currency: "CAD", balance: -0.75 },
    ]),
  );
  expect(body.authorizations).toEqual([
    { merchantId: "shop-a", state: "CAPTURED", currency: "CAD", count: 1, authorized: 100, captured: 80, refunded: 30 },
    { merchantId: "shop-b", state: "PENDING", currency: "CAD", count: 1, authorized: 25, captured: 0, refunded: 0 },
  ]);
  expect(body.cards).toEqual([
    expect.objectContaining({ cardId: card.id, creditLimit: 1_000, owed: 50, held: 25, available: 925 }),
  ]);
  const one = await call("GET", "/ledger?merchantId=shop-b");
  expect(one.body.authorizations.map((each: { merchantId: string }) => each.merchantId)).toEqual(["shop-b"]);
  bank.clock.advance(168 * 3_600_000);
  expect((await call("GET", "/cards?limit=1")).body.cards).toEqual([
    expect.objectContaining({ cardId: card.id, held: 0, available: 950 }),
  ]);
  expect((await call("GET", "/customers")).body.customers[0]).toMatchObject({ customerId: card.customerId, cards: 1 });
});

it("shows a drift when a kept figure was changed behind the ledger's back", async () => {
  const { id } = await bank.addCard({ limitMinor: 100_000n });
  await bank.db.pool.query("update cards set owed_minor = owed_minor + 1 where id = $1", [id]);
  expect((await call("GET", "/ledger")).body).toMatchObject({ balanced: false, drifted: 1 });
  await bank.db.pool.query("update cards set owed_minor = owed_minor - 1 where id = $1", [id]);
});
