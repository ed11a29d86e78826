import pino from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../platform/config/config-error.ts";
import { readConfig } from "../../platform/config/read-config.ts";
import { type Fetched, FormBrowser } from "../../platform/testing/form-browser.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import { buildShop, type Shop } from "./build-shop.ts";
import { shopConfig } from "./config.ts";
import { type RouterStandIn, startRouterStandIn } from "./testing/router-stand-in.ts";
import { startWalletStandIn, type WalletStandIn } from "./testing/wallet-stand-in.ts";

const client = { clientId: "ssim-merchant", clientSecret: "a-secret-of-the-test" };
const apiKey = "an-api-key-of-the-test";
let database: TestDatabase;
let wallet: WalletStandIn;
let plainWallet: WalletStandIn;
let router: RouterStandIn;
let clock: ManualClock;
let shops: Shop[] = [];

beforeAll(async () => {
  database = await createTestDatabase({ schema: "shop", directory: new URL("./storage/migrations/", import.meta.url) });
  wallet = await startWalletStandIn({ ...client, par: true });
  plainWallet = await startWalletStandIn({ ...client, par: false });
  router = await startRouterStandIn(apiKey);
});
afterAll(async () => {
  await Promise.all([wallet?.close(), plainWallet?.close(), router?.close()]);
  await database?.drop();
});
beforeEach(() => {
  clock = new ManualClock(new Date());
  Object.assign(router, { next: "authorized", hangUp: false });
  for (const each of [wallet, plainWallet]) {
    each.refuseWith = undefined;
    each.claims = { wallet_card_token: "wsim_maple-bank_abc123abc123", card_token: "card-token-1" };
  }
  return async () => {
    await Promise.all(shops.map((shop) => shop.stop()));
    shops = [];
  };
});

async function openShop(provider: WalletStandIn = wallet): Promise<{ shop: Shop; origin: string }> {
  const probe = await freePort();
  const origin = `http://127.0.0.1:${probe}`;
  const config = readConfig(shopConfig, {
    PAYMESH_ENV: "local",
    SHOP_ORIGIN: origin,
    WALLET_ISSUER: provider.issuer,
    GATEWAY_URL: router.url,
    MERCHANT_ID: "ssim-merchant",
    MERCHANT_API_KEY: apiKey,
    OIDC_CLIENT_ID: client.clientId,
    OIDC_CLIENT_SECRET: client.clientSecret,
    BANK_ISSUERS: `maple-bank=Maple Credit Union=${provider.issuer}`,
    DATABASE_URL: database.url,
    DATABASE_SCHEMA: "shop",
    SHOP_COOKIE_SECRET: "s".repeat(32),
  });
  const shop = buildShop(config, { log: pino({ level: "silent" }), clock });
  shops.push(shop);
  await shop.server.listen({ host: "127.0.0.1", port: probe });
  return { shop, origin };
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function fillCart(browser: FormBrowser, origin: string): Promise<Fetched> {
  return browser.submit(await browser.open(`${origin}/`), "/cart", { productId: "wool-toque" });
}

async function buy(browser: FormBrowser, origin: string, provider = wallet): Promise<Fetched> {
  void provider;
  return browser.submit(await fillCart(browser, origin), "/checkout/wallet");
}

async function ordersOf(browser: FormBrowser, origin: string): Promise<Array<Record<string, unknown>>> {
  const answer = await browser.open(`${origin}/api/orders`, { headers: { accept: "application/json" } });
  return (JSON.parse(answer.text) as { orders: Array<Record<string, unknown>> }).orders;
}

describe("web checkout", () => {
  it("pays a cart with the wallet and names the bank that approved", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    const receipt = await buy(browser, origin);
    expect(receipt.status).toBe(200);
    expect(receipt.url).toMatch(/\/orders\/shop-[0-9a-f]{10}$/);
    expect(receipt.text).toContain("Maple Credit Union approved $34.99.");
    expect(receipt.text).toContain("Authorized");
    const [order] = await ordersOf(browser, origin);
    expect(order).toMatchObject({
      state: "authorized",
      amount: 34.99,
      bankId: "maple-bank",
      authorizationCode: "AUTH-1234ABCD",
    });
    expect((await browser.open(`${origin}/cart`)).text).toContain("It is empty");
  });

  it("pushes the payment as authorization_details where the wallet takes them", async () => {
    const { origin } = await openShop();
    await buy(new FormBrowser(), origin);
    const asked = wallet.seen.at(-1);
    expect(asked?.pushed).toBe(true);
    const [details] = JSON.parse(asked?.parameters["authorization_details"] ?? "[]");
    expect(details).toMatchObject({ type: "payment", merchantId: "ssim-merchant", amount: "34.99", currency: "CAD" });
    expect(asked?.parameters["claims"]).toBeUndefined();
    expect(asked?.parameters).toMatchObject({
      resource: "urn:wsim:payment-api",
      code_challenge_method: "S256",
      scope: "openid payment:authorize",
    });
  });

  it("sends the payment in the claims parameter to a wallet that knows no pushed requests", async () => {
    const { origin } = await openShop(plainWallet);
    const receipt = await buy(new FormBrowser(), origin, plainWallet);
    expect(receipt.text).toContain("approved");
    const asked = plainWallet.seen.at(-1);
    expect(asked?.pushed).toBe(false);
    expect(JSON.parse(asked?.parameters["claims"] ?? "{}")).toMatchObject({
      payment: { amount: "34.99", merchantId: "ssim-merchant" },
    });
  });

  it("says so when the customer cancels at the wallet, and lets him pay again", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    wallet.refuseWith = "access_denied";
    const page = await buy(browser, origin);
    expect(page.text).toContain("Payment cancelled");
    expect(page.text).toContain("Nothing was charged");
    wallet.refuseWith = undefined;
    const path = new URL(page.url).pathname;
    const receipt = await browser.submit(page, `${path}/pay/wallet`);
    expect(receipt.text).toContain("Maple Credit Union approved");
    expect(await ordersOf(browser, origin)).toHaveLength(1);
  });

  it("shows a decline in its own words", async () => {
    const { origin } = await openShop();
    router.next = "declined";
    const page = await buy(new FormBrowser(), origin);
    expect(page.text).toContain("Payment declined");
    expect(page.text).toContain("not have enough available credit");
  });

  it("refuses a return whose state another browser left with", async () => {
    const { origin } = await openShop();
    const [mine, foreign] = [new FormBrowser(), new FormBrowser()];
    await foreign.open(`${origin}/`);
    const cart = await fillCart(mine, origin);
    const back = await mine.submit(cart, "/checkout/wallet", {}, (url) => url.startsWith(`${origin}/payment/`));
    const before = router.keysSeen.length;
    const refused = await foreign.open(back.url);
    expect(refused.status).toBe(400);
    expect(refused.text).toContain("not started in this browser");
    expect(router.keysSeen).toHaveLength(before);
    expect((await mine.open(back.url)).text).toContain("approved");
  });

  it("refuses a return with a state nobody left with", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    const cart = await fillCart(browser, origin);
    const back = await browser.submit(cart, "/checkout/wallet", {}, (url) => url.startsWith(`${origin}/payment/`));
    const forged = new URL(back.url);
    forged.searchParams.set("state", "forged");
    expect((await browser.open(forged.href)).status).toBe(400);
  });

  it("shows the same order when the return is loaded twice, without a second authorisation", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    const cart = await fillCart(browser, origin);
    const back = await browser.submit(cart, "/checkout/wallet", {}, (url) => url.startsWith(`${origin}/payment/`));
    const first = await browser.open(back.url);
    const before = router.keysSeen.length;
    const second = await browser.open(back.url);
    expect(second.url).toBe(first.url);
    expect(router.keysSeen).toHaveLength(before);
  });

  it("sends the same key and request again after a lost answer and after a restart", async () => {
    const first = await openShop();
    const browser = new FormBrowser();
    router.hangUp = true;
    const waiting = await buy(browser, first.origin);
    expect(waiting.text).toContain("Payment under way");
    const key = router.keysSeen.at(-1);
    await first.shop.stop();
    shops = [];
    router.hangUp = false;
    clock.advance(60_000);
    const second = await openShop();
    await expect
      .poll(() => second.shop.settleDue().then(async () => (await ordersOf(browser, second.origin))[0]?.["state"]))
      .toBe("authorized");
    expect(router.keysSeen.at(-1)).toBe(key);
    expect(
      [...router.payments.values()].filter((payment) => payment.body.includes(waiting.url.split("/").at(-1) ?? "?")),
    ).toHaveLength(1);
  });

  it("finishes a payment that began before a restart", async () => {
    const first = await openShop();
    const browser = new FormBrowser();
    const cart = await fillCart(browser, first.origin);
    const back = await browser.submit(cart, "/checkout/wallet", {}, (url) => url.includes("/payment/wallet-callback"));
    await first.shop.stop();
    shops = [];
    const second = await openShop();
    // The code is bound to the redirect URI of the first shop, which only differs in its port here.
    const page = await browser.open(back.url.replace(first.origin, second.origin));
    expect(page.status).toBe(200);
    expect(page.text).toContain("approved");
  });

  it("pays straight from a bank account, with the token the bank gave", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    wallet.claims = { card_token: `ctok_${"a".repeat(32)}` };
    const receipt = await browser.submit(await fillCart(browser, origin), "/checkout/bank/maple-bank");
    expect(receipt.text).toContain("Maple Credit Union approved");
    const sent = JSON.parse([...router.payments.values()].at(-1)?.body ?? "{}");
    expect(sent.cardToken).toBe(`ctok_${"a".repeat(32)}`);
    expect(sent.walletCardToken).toBeUndefined();
    expect(wallet.seen.at(-1)?.parameters["prompt"]).toBe("consent");
  });

  it("refuses forms without the token of their page", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    await fillCart(browser, origin);
    const answer = await browser.open(`${origin}/checkout/wallet`, { method: "POST", body: new URLSearchParams({}) });
    expect(answer.status).toBe(403);
  });
});

describe("shop's desk", () => {
  it("captures a part, refunds a part and then the rest", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    let page = await buy(browser, origin);
    const path = new URL(page.url).pathname;
    page = await browser.submit(page, `${path}/capture`, { amount: "30.00" });
    expect(page.text).toContain("Captured");
    page = await browser.submit(page, `${path}/refund`, { amount: "10.50" });
    expect((await ordersOf(browser, origin))[0]).toMatchObject({
      state: "captured",
      capturedAmount: 30,
      refundedAmount: 10.5,
    });
    page = await browser.submit(page, `${path}/refund`);
    expect((await ordersOf(browser, origin))[0]).toMatchObject({ state: "refunded", refundedAmount: 30 });
    expect(page.text).toContain("Refunded");
  });

  it("voids an authorisation", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    const page = await buy(browser, origin);
    const voided = await browser.submit(page, `${new URL(page.url).pathname}/void`);
    expect(voided.text).toContain("Payment voided");
  });

  it("refunds once when the same form arrives twice", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    let page = await buy(browser, origin);
    const path = new URL(page.url).pathname;
    page = await browser.submit(page, `${path}/capture`);
    await browser.submit(page, `${path}/refund`, { amount: "5.00" });
    const again = await browser.submit(page, `${path}/refund`, { amount: "5.00" });
    expect(again.status).toBe(409);
    expect((await ordersOf(browser, origin))[0]).toMatchObject({ refundedAmount: 5 });
  });

  it("keeps the order when the Router refuses, and shows no more than our words", async () => {
    const { origin } = await openShop();
    const browser = new FormBrowser();
    let page = await buy(browser, origin);
    const path = new URL(page.url).pathname;
    page = await browser.submit(page, `${path}/capture`, { amount: "20.00" });
    const refused = await browser.submit(page, `${path}/refund`, { amount: "20.01" });
    expect(refused.status).toBe(409);
    expect(refused.text).toContain("The payment network refused");
    expect((await ordersOf(browser, origin))[0]).toMatchObject({ state: "captured", refundedAmount: 0 });
  });

  it("shows an order to its own browser and to the merchant's key alone", async () => {
    const { origin } = await openShop();
    const [mine, foreign] = [new FormBrowser(), new FormBrowser()];
    const page = await buy(mine, origin);
    await foreign.open(`${origin}/`);
    const hidden = await foreign.open(page.url);
    expect(hidden.status).toBe(404);
    expect(hidden.text).toContain("There is no such order in this browser.");
    expect((await foreign.open(`${origin}/nowhere`)).text).toMatch(
      /href="\/orders".*There is no page at this address.*Go to the shop/s,
    );
    expect(await ordersOf(foreign, origin)).toEqual([]);
    const desk = await fetch(`${origin}/api${new URL(page.url).pathname}`, { headers: { "x-api-key": apiKey } });
    expect(desk.status).toBe(200);
    expect((await fetch(`${origin}/api/orders`, { headers: { "x-api-key": "wrong" } })).status).toBe(401);
  });
});

describe("configuration", () => {
  it("refuses http addresses in production", () => {
    const env = {
      SHOP_ORIGIN: "http://shop.example.com",
      WALLET_ISSUER: "http://wallet.example.com",
      GATEWAY_URL: "https://gateway.example.com",
      MERCHANT_ID: "m",
      MERCHANT_API_KEY: "k".repeat(32),
      OIDC_CLIENT_ID: "m",
      OIDC_CLIENT_SECRET: "s".repeat(32),
      DATABASE_URL: "postgres://db",
      SHOP_COOKIE_SECRET: "c".repeat(32),
    };
    expect(() => readConfig(shopConfig, env)).toThrow(ConfigError);
    expect(() => readConfig(shopConfig, env)).toThrow(/SHOP_ORIGIN: must be https[\s\S]*WALLET_ISSUER: must be https/);
  });
});
