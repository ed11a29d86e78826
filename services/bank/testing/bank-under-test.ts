import type { FastifyInstance } from "fastify";
import { type Insertable, sql } from "kysely";
import pino from "pino";
import { request } from "undici";
import type { Database } from "../../platform/db/open-database.ts";
import { createHttpServer } from "../../platform/http/create-http-server.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { randomHex } from "../../platform/secrets/random-token.ts";
import { createTestDatabase } from "../../platform/testing/postgres.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import { paymentNetwork } from "../http/payment-network/payment-network.ts";
import { createAuthorizationStore } from "../storage/authorization-store.ts";
import { createAuthorizer } from "../storage/authorizer.ts";
import { createCardTokenStore } from "../storage/card-token-store.ts";
import type { CardTokensTable, MoneyTables } from "../storage/tables.ts";

export const paymentKey = "payment-network-key-of-the-test-bank";

/** An HTTP answer as a caller sees it. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test compares members of JSON it does not trust; a wrong one fails it
  readonly body: any;
}

/** The payment side of a bank on its own database, served over real HTTP, with a clock the test moves. */
export interface BankUnderTest {
  readonly db: Database<MoneyTables>;
  readonly clock: ManualClock;
  readonly origin: string;
  readonly app: FastifyInstance;
  pay(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  addCard(card?: { limitMinor?: bigint; currency?: string; status?: "active" | "inactive" }): Promise<TestCard>;
  addToken(card: TestCard, token?: Partial<Insertable<CardTokensTable>>): Promise<string>;
  card(id: string): Promise<{ owed: bigint; held: bigint }>;
  /** Sum of all postings, and every card whose kept figures differ from what ledger and holds add up to. */
  audit(): Promise<{ trialBalance: bigint; drifted: number }>;
  stop(): Promise<void>;
}

/** A card and its owner. */
export interface TestCard {
  readonly id: string;
  readonly customerId: string;
}

/** Starts one. A card token is, in these tests, its own reference behind `ref:`; reading real ones is tested elsewhere. */
export async function startBank(options: { replicas?: number } = {}): Promise<BankUnderTest> {
  const test = await createTestDatabase({
    schema: "bank",
    directory: new URL("../storage/migrations/", import.meta.url),
  });
  const db = test.open<MoneyTables>();
  const clock = new ManualClock("2026-03-01T12:00:00Z");
  const log = pino({ level: "error" });
  const origins: string[] = [];
  const apps: FastifyInstance[] = [];
  for (let replica = 0; replica < (options.replicas ?? 1); replica += 1) {
    const own = replica === 0 ? db : test.open<MoneyTables>();
    const app = createHttpServer({ service: "bank", errorTable: {}, log });
    await app.register(paymentNetwork, {
      prefix: "/api/payment-network",
      apiKey: paymentKey,
      authorizer: createAuthorizer({ hotPool: own.hotPool, clock }),
      authorizations: createAuthorizationStore(own),
      cardTokens: createCardTokenStore(own),
      readCardToken: (text) => (text.startsWith("ref:") ? text.slice(4) : undefined),
      clock,
      log,
    });
    apps.push(app);
    origins.push(await app.listen({ host: "127.0.0.1", port: 0 }));
  }
  let turn = 0;
  const [app] = apps;
  const [origin] = origins;
  if (app === undefined || origin === undefined) throw new Error("a bank needs a replica");
  return {
    db,
    clock,
    origin,
    app,
    pay(path, body, headers = {}) {
      turn += 1;
      return post(`${origins[turn % origins.length]}/api/payment-network${path}`, body, {
        "x-api-key": paymentKey,
        ...headers,
      });
    },
    async addCard({ limitMinor = 100_000n, currency = "CAD", status = "active" } = {}) {
      const card = { id: uuidv7(), customerId: uuidv7() };
      await db.query
        .insertInto("customers")
        .values({
          id: card.customerId,
          fi_user_ref: randomHex(16),
          email: `${card.customerId}@example.com`,
          password_hash: "none",
          display_name: "A Customer",
        })
        .execute();
      await db.query
        .insertInto("cards")
        .values({
          id: card.id,
          customer_id: card.customerId,
          brand: "VISA",
          last_four: "1234",
          holder: "A CUSTOMER",
          expiry_month: 12,
          expiry_year: 2030,
          status,
          currency,
          credit_limit_minor: limitMinor,
        })
        .execute();
      return card;
    },
    async addToken(card, token = {}) {
      const ref = token.token_ref ?? uuidv7();
      await db.query
        .insertInto("card_tokens")
        .values({
          token_ref: ref,
          kind: "wallet",
          card_id: card.id,
          customer_id: card.customerId,
          credential_id: null,
          merchant_id: null,
          amount_minor: null,
          currency: null,
          expires_at: new Date(clock.now().getTime() + 900_000),
          consumed_at: null,
          revoked_at: null,
          ...token,
        })
        .execute();
      return `ref:${ref}`;
    },
    async card(id) {
      const row = await db.query
        .selectFrom("cards")
        .select(["owed_minor", "held_minor"])
        .where("id", "=", id)
        .executeTakeFirstOrThrow();
      return { owed: row.owed_minor, held: row.held_minor };
    },
    audit: () => audit(db),
    async stop() {
      for (const each of apps) await each.close();
      await test.drop();
    },
  };
}

async function audit(db: Database<MoneyTables>): Promise<{ trialBalance: bigint; drifted: number }> {
  const found = await sql<{ total: bigint; drifted: number }>`select
      (select coalesce(sum(amount_minor), 0)::bigint from postings) as total,
      (select count(*)::int from cards c join ledger_accounts l on l.card_id = c.id
        where c.owed_minor <> (select coalesce(sum(p.amount_minor), 0) from postings p where p.ledger_account_id = l.id)
           or c.held_minor <> (select coalesce(sum(a.amount_minor), 0) from authorizations a
                                where a.card_id = c.id and a.state = 'PENDING')) as drifted`.execute(db.query);
  const row = found.rows[0];
  if (row === undefined) throw new Error("no answer");
  return { trialBalance: row.total, drifted: row.drifted };
}

async function post(url: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
  const answer = await request(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    headersTimeout: 10_000,
  });
  return { status: answer.statusCode, body: await answer.body.json() };
}
