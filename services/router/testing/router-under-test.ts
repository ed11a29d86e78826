import fastify from "fastify";
import { openDatabase } from "../../platform/db/open-database.ts";
import { createRateLimiter } from "../../platform/limits/rate-limiter.ts";
import { addConnectRoutes } from "../../platform/rpc/connect-routes.ts";
import { merchantAuthenticator } from "../../platform/rpc/merchant-authenticator.ts";
import { operatorAuthenticator } from "../../platform/rpc/operator-authenticator.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import type { TestDatabase } from "../../platform/testing/postgres.ts";
import { type Clock, systemClock } from "../../platform/time/clock.ts";
import { assembleDesk } from "../assemble-desk.ts";
import { createBankHttp } from "../clients/bank/bank-http.ts";
import { createRegistryPicture, type RegistryPicture } from "../clients/registry/registry-picture.ts";
import type { Bank } from "../domain/bank-directory.ts";
import { type Authorizer, createAuthorizer } from "../flows/authorize.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";
import { routerErrors } from "../rpc/error-table.ts";
import { routerService } from "../rpc/router-service.ts";
import { createReconciliationStore } from "../storage/reconciliation-store.ts";
import type { RouterTables } from "../storage/tables.ts";
import { bankNamed } from "./bank-facts.ts";

/** Where the Router's migrations lie. */
export const migrations = new URL("../storage/migrations/", import.meta.url);

const pepper = "a pepper for tests, thirty-two long.";
const operatorKey = "operator-key-for-tests";

/** The key of a merchant in the world of the tests. */
export function keyOfMerchant(merchantId: string): string {
  return `key-of-${merchantId}`;
}

/** An answer as REST would show it: the status the service asked for, the body, and `error` of a refusal. */
export interface Answer {
  readonly status: number;
  // Answers of every method; each test reads the members it names.
  readonly body: Readonly<Record<string, unknown>>;
  readonly error: string | undefined;
}

/** Whose call it is and what it carries. */
export interface CallWith {
  /** `merchant-1` when absent. */
  readonly merchantId?: string;
  readonly apiKey?: string | undefined;
  readonly operator?: boolean;
  readonly idempotencyKey?: string;
  readonly timeoutMs?: number;
}

/** A Router in this process over a real database and real HTTP, without the certificates of the mesh. */
export interface RouterUnderTest {
  readonly desk: PaymentDesk;
  readonly authorizer: Authorizer;
  readonly picture: RegistryPicture;
  call(method: string, body: unknown, options?: CallWith): Promise<Answer>;
  stop(): Promise<void>;
}

/** What the Router is told of the world. */
export interface RouterWorld {
  readonly database: TestDatabase;
  readonly banks: readonly Bank[];
  readonly clock?: Clock;
  /** How long a bank may take, where ten seconds are too long for a test. */
  readonly bankTimeoutMs?: number;
}

/** Starts a Router; merchants `merchant-1` and `merchant-2` are registered, `north-bank` is the default bank. */
export async function startRouter(world: RouterWorld): Promise<RouterUnderTest> {
  const log = createLogger({ service: "router", level: "silent" });
  const clock = world.clock ?? systemClock;
  const { url, schema } = world.database;
  const db = openDatabase<RouterTables>({ url, schema, applicationName: "router-under-test", log });
  const bankHttp = createBankHttp();
  const { bankTimeoutMs = Number.POSITIVE_INFINITY } = world;
  const picture = createRegistryPicture();
  for (const bank of world.banks) picture.putBank(bank);
  for (const merchantId of ["merchant-1", "merchant-2"]) {
    const hashHex = keyedHash(pepper, keyOfMerchant(merchantId)).toString("hex");
    picture.putMerchant({ merchantId, keys: [{ keyId: `${merchantId}-key`, hashHex }] });
  }
  const desk = assembleDesk({
    db,
    bankHttp: {
      ...bankHttp,
      post: (call) => bankHttp.post({ ...call, timeoutMs: Math.min(call.timeoutMs, bankTimeoutMs) }),
    },
    directory: picture,
    healthIsKnown: () => true,
    defaultBankId: "north-bank",
    paymentIdKey: "a payment id key for tests, 32 long",
    clock,
    log,
  });
  const authorizer = createAuthorizer(desk);
  const reconciliation = createReconciliationStore(db);
  const checks = { database: () => db.isReady(), registry: async () => picture.rows().banks.length > 0 };
  const app = fastify();
  await addConnectRoutes(app, {
    implementations: [routerService({ desk, authorizer, reconciliation, checks })],
    authenticators: {
      merchant: merchantAuthenticator(pepper, picture),
      operator: operatorAuthenticator([{ name: "tester", key: operatorKey }]),
    },
    errorTable: routerErrors,
    log,
    limiter: createRateLimiter({ db }),
  });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    desk,
    authorizer,
    picture,
    call: (method, body, options = {}) => callRouter(address, method, body, options),
    stop: async () => {
      await app.close();
      await authorizer.drain();
      await bankHttp.close();
      await db.close();
    },
  };
}

async function callRouter(url: string, method: string, body: unknown, options: CallWith): Promise<Answer> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  const apiKey = "apiKey" in options ? options.apiKey : keyOfMerchant(options.merchantId ?? "merchant-1");
  if (options.operator === true) headers["x-admin-key"] = operatorKey;
  else if (apiKey !== undefined) headers["x-api-key"] = apiKey;
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
  if (options.timeoutMs !== undefined) headers["connect-timeout-ms"] = String(options.timeoutMs);
  const path = `${url}/paymesh.router.v1.Router/${method}`;
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const status = Number(response.headers.get("x-http-status") ?? response.status);
  const answer = (await response.json()) as Record<string, unknown>; // Connect answers with an object
  return { status, body: answer, error: response.headers.get("x-error-code") ?? textOf(answer["error"]) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

let orders = 0;

/** An authorize request of 12.34 CAD at merchant-1 for a new order, by the default bank unless a token says otherwise. */
export function authorizeBody(members: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  orders += 1;
  return {
    merchantId: "merchant-1",
    amount: 12.34,
    cardToken: "ctok_00112233445566778899aabbccddeeff",
    orderId: `order-${process.pid}-${orders}`,
    ...members,
  };
}

/** The bank a scriptable server stands for. */
export function bankAt(bankId: string, url: string, facts: Partial<Bank> = {}): Bank {
  return bankNamed(bankId, { apiBaseUrl: url, ...facts });
}
