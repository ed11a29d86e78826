import { expect, it } from "vitest";
import { verifyPassword } from "../../platform/secrets/password.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { hashClientSecret } from "../oidc/client-secret.ts";
import { type BankUnderTest, startBank } from "../testing/bank-under-test.ts";
import { findDemoRemains, seedDemoData } from "./demo-seed.ts";
import { createLedgerReports } from "./ledger-summary.ts";
import { createOauthClientStore } from "./oauth-client-store.ts";

const pepper = Buffer.alloc(32, 1);
let north: BankUnderTest;
let maple: BankUnderTest;
setUp(async () => {
  [north, maple] = await Promise.all([startBank(), startBank()]);
  return () => Promise.all([north.stop(), maple.stop()]);
});

const balances = async (bank: BankUnderTest) =>
  bank.db.query
    .selectFrom("accounts")
    .innerJoin("customers", "customers.id", "accounts.customer_id")
    .select(["email", "kind", "balance_minor"])
    .orderBy("email")
    .orderBy("kind")
    .execute();

it("adds both customers once, also when replicas start together, with sound books", async () => {
  const now = north.clock.now();
  const counts = await Promise.all([1, 2, 3].map(() => seedDemoData(north.db, "north-bank", now)));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2);
  expect(await seedDemoData(north.db, "north-bank", now)).toBe(0);
  const customers = await north.db.query.selectFrom("customers").selectAll().orderBy("email").execute();
  expect(customers.map((each) => each.email)).toEqual(["customer1@example.com", "customer2@example.com"]);
  expect(await verifyPassword("demo-password", customers[0]?.password_hash ?? "")).toBe(true);
  for (const { id } of customers) {
    const cards = await north.db.query.selectFrom("cards").selectAll().where("customer_id", "=", id).execute();
    const active = cards.filter((card) => card.status === "active").map((card) => card.brand);
    expect(active.sort()).toEqual(["MC", "VISA"]);
    expect(cards).toHaveLength(3);
  }
  const summary = await createLedgerReports(north.db).summary(now);
  expect(summary.drifted).toBe(0);
  expect(summary.balances.reduce((sum, each) => sum + each.balanceMinor, 0n)).toBe(0n);
});

it("gives the two banks different balances, none negative, and a history up to now", async () => {
  await seedDemoData(north.db, "north-bank", north.clock.now());
  await seedDemoData(maple.db, "maple-bank", maple.clock.now());
  const [here, there] = [await balances(north), await balances(maple)];
  expect(here).toHaveLength(4);
  for (const [index, row] of here.entries()) {
    expect(row.balance_minor).toBeGreaterThan(0n);
    expect(row.balance_minor).not.toBe(there[index]?.balance_minor);
  }
  const { rows } = await north.db.pool.query(
    "select min(posted_at) as first, max(posted_at) as last, count(*)::int from postings",
  );
  const { first, last, count } = rows[0];
  expect(count).toBeGreaterThan(100);
  expect(last.getTime()).toBeLessThanOrEqual(north.clock.now().getTime());
  expect(north.clock.now().getTime() - first.getTime()).toBeGreaterThan(90 * 86_400_000);
});

it("finds demo customers and clients that a production bank must not start over", async () => {
  await seedDemoData(north.db, "north-bank", north.clock.now());
  const clients = createOauthClientStore(north.db);
  const client = {
    clientId: "ssim-merchant",
    clientName: "Shop",
    redirectUris: ["https://shop.example/callback"],
    scopes: ["openid"],
    grantTypes: ["authorization_code"],
    postLogoutRedirectUris: [],
    merchantId: null,
    active: true,
  };
  await clients.put(client, hashClientSecret(pepper, client.clientId, "demo-merchant-secret"));
  expect((await findDemoRemains(north.db, pepper)).sort()).toEqual([
    "OAuth client ssim-merchant",
    "customer customer1@example.com",
    "customer customer2@example.com",
  ]);
  await clients.put(client, hashClientSecret(pepper, client.clientId, "a secret of its own"));
  await north.db.pool.query("update customers set password_hash = 'changed'");
  expect(await findDemoRemains(north.db, pepper)).toEqual([]);
});
