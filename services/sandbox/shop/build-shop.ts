import { hkdfSync } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { openDatabase } from "../../platform/db/open-database.ts";
import { every } from "../../platform/jobs/every.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createSealedBox } from "../../platform/vault/sealed-box.ts";
import { createCheckout, walletProvider } from "./checkout.ts";
import { createOidcLogin, type OidcLogin } from "./clients/oidc-login.ts";
import { createRouterPayments } from "./clients/router-payments.ts";
import type { ShopConfig } from "./config.ts";
import { createShopServer } from "./http/create-shop-server.ts";
import { createVisitors } from "./http/visitors.ts";
import { createAttemptStore } from "./storage/attempt-store.ts";
import { createCartStore } from "./storage/cart-store.ts";
import { createOrderStore } from "./storage/order-store.ts";
import type { ShopTables } from "./storage/tables.ts";
import { createVisitorStore } from "./storage/visitor-store.ts";

const retryEveryMs = 10_000;
const sweepEveryMs = 10 * 60 * 1000;

/** A built shop, not yet listening. `stop` ends its work and closes the database. */
export interface Shop {
  readonly server: FastifyInstance;
  readonly settleDue: () => Promise<number>;
  stop(): Promise<void>;
}

/** Builds the shop from its configuration. */
export function buildShop(config: ShopConfig, parts: { log: Logger; clock: Clock }): Shop {
  const key = (purpose: string) =>
    Buffer.from(hkdfSync("sha256", config.SHOP_COOKIE_SECRET, "", `shop ${purpose}`, 32));
  const db = openDatabase<ShopTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: "shop",
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log: parts.log,
  });
  const visitorStore = createVisitorStore(db);
  const attempts = createAttemptStore(db);
  const orders = createOrderStore(db);
  const carts = createCartStore(db);
  const payments = createRouterPayments({ gatewayUrl: config.GATEWAY_URL, apiKey: config.MERCHANT_API_KEY });
  const checkout = createCheckout({
    merchant: { id: config.MERCHANT_ID, name: config.SHOP_NAME },
    providers: providersOf(config),
    payments,
    orders,
    attempts,
    carts,
    box: createSealedBox({ keys: new Map([["1", key("sealing")]]), currentKeyId: "1" }),
    stateKey: key("state"),
    clock: parts.clock,
    log: parts.log,
  });
  const secure = config.SHOP_ORIGIN.startsWith("https:");
  const server = createShopServer({
    origin: config.SHOP_ORIGIN,
    brand: { id: "shop", name: config.SHOP_NAME, color: "#1f5c3d" },
    banks: config.BANK_ISSUERS,
    checkout,
    carts,
    orders,
    payments,
    visitors: createVisitors({ store: visitorStore, key: key("visitors"), secure, clock: parts.clock }),
    csrfKey: key("csrf"),
    merchantApiKey: config.MERCHANT_API_KEY,
    log: parts.log,
  });
  const retry = every({
    label: "unanswered payments",
    intervalMs: retryEveryMs,
    work: checkout.settleDue,
    log: parts.log,
  });
  const sweep = every({
    label: "expired sessions",
    intervalMs: sweepEveryMs,
    work: async () => [await visitorStore.sweep(parts.clock.now()), await attempts.sweep(parts.clock.now())],
    log: parts.log,
  });
  return {
    server,
    settleDue: checkout.settleDue,
    async stop() {
      await server.close();
      await Promise.all([retry.stop(), sweep.stop()]);
      await db.close();
    },
  };
}

function providersOf(config: ShopConfig): Map<string, OidcLogin> {
  const allowHttp = config.PAYMESH_ENV === "local";
  const wallet = createOidcLogin(
    {
      issuer: config.WALLET_ISSUER,
      clientId: config.OIDC_CLIENT_ID,
      clientSecret: config.OIDC_CLIENT_SECRET,
      redirectUri: `${config.SHOP_ORIGIN}/payment/wallet-callback`,
    },
    { allowHttp },
  );
  const banks = config.BANK_ISSUERS.map((bank): [string, OidcLogin] => [
    bank.id,
    createOidcLogin(
      {
        issuer: bank.issuer,
        clientId: config.OIDC_CLIENT_ID,
        clientSecret: config.BANK_CLIENT_SECRET ?? config.OIDC_CLIENT_SECRET,
        redirectUri: `${config.SHOP_ORIGIN}/payment/bank-callback`,
      },
      { allowHttp },
    ),
  ]);
  return new Map([[walletProvider, wallet], ...banks]);
}
