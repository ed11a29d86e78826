import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseCurrency } from "../../platform/money/currency.ts";
import { hotPlanOf, tableSizes } from "../../platform/testing/hot-plan.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { createPaymentIds } from "../domain/payment-id.ts";
import { outcomeOf } from "../flows/outcome.ts";
import { migrations } from "../testing/router-under-test.ts";
import {
  createPaymentWriter,
  type NewPayment,
  outcomeValues,
  type PaymentWriter,
  recordOutcomesSql,
} from "./payment-writer.ts";
import { rowsOf } from "./stored-rows.ts";

const ids = createPaymentIds("a payment id key for tests, 32 long");
const at = new Date("2026-03-01T10:00:00.000Z");
const dueAt = new Date("2026-03-01T10:00:20.000Z");

let database: TestDatabase;
let pool: pg.Pool;
let writer: PaymentWriter;
let orders = 0;

beforeAll(async () => {
  database = await createTestDatabase({ schema: "router", directory: migrations });
  pool = database.open().hotPool;
  writer = createPaymentWriter(pool);
});

afterAll(async () => {
  await database.drop();
});

function newPayment(facts: Partial<NewPayment> = {}): NewPayment {
  orders += 1;
  const orderId = `order-${orders}`;
  return {
    ...{ merchantId: "merchant-1", paymentId: ids.forOrder("merchant-1", orderId, 1), orderId, attempt: 1 },
    ...{ requestHash: Buffer.alloc(32, 9), bankId: "north-bank", amountMinor: 1_234n, currency: parseCurrency("CAD") },
    ...{ merchantName: 'a "name", with {braces} and \\', description: undefined, metadataJson: '{"a":[1,"ü"]}' },
    createdAt: at,
    ...facts,
  };
}

const approved = (payment: NewPayment) =>
  outcomeOf(
    payment,
    { voidByKey: true },
    { kind: "approved", authorizationCode: "AUTH-1" },
    { at, eventId: eventId() },
  );
const inDoubt = (payment: NewPayment, voidByKey: boolean) =>
  outcomeOf(
    payment,
    { voidByKey },
    { kind: "failed", reason: "bank_timeout", holdPossible: true },
    { at, eventId: eventId() },
  );

let events = 0;
function eventId(): string {
  events += 1;
  return `0190a2b4-7c1d-7e2f-8a3b-${events.toString(16).padStart(12, "0")}`;
}

describe("writing payments in batches", () => {
  it("stores every text, hash and amount as it was given", async () => {
    const payment = newPayment();
    expect(await writer.insertPending(payment, dueAt)).toBe(true);
    expect(await rowsOf(database, ["payments"], payment.paymentId)).toMatchObject([
      {
        merchant_name: payment.merchantName,
        description: null,
        metadata: payment.metadataJson,
        request_hash: payment.requestHash,
        amount_minor: "1234",
        status: "pending",
        due_at: dueAt,
      },
    ]);
  });

  it("tells which of many ids were free, and of two equal ids lets one through", async () => {
    const taken = newPayment();
    await writer.insertPending(taken, dueAt);
    const free = Array.from({ length: 300 }, () => newPayment());
    const twice = newPayment();
    const asked = [taken, twice, ...free, twice];
    const written = await Promise.all(asked.map((payment) => writer.insertPending(payment, dueAt)));
    expect(written[0]).toBe(false);
    expect([written[1], written.at(-1)].sort()).toEqual([false, true]);
    expect(written.slice(2, -1).every((one) => one)).toBe(true);
  });

  it("does not let one row that cannot be stored harm the others of its batch", async () => {
    const rows = [newPayment(), newPayment({ amountMinor: 0n }), newPayment({ orderId: "a\0b" }), newPayment()];
    const results = await Promise.allSettled(rows.map((payment) => writer.insertPending(payment, dueAt)));
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  });

  it("records each outcome once, with its event, and what is to be done about a hold in doubt", async () => {
    const [good, release, list] = [newPayment(), newPayment(), newPayment()];
    await Promise.all([good, release, list].map((payment) => writer.insertPending(payment, dueAt)));
    const outcomes = [approved(good), inDoubt(release, true), inDoubt(list, false)];
    expect(await Promise.all(outcomes.map((outcome) => writer.recordOutcome(outcome)))).toEqual([true, true, true]);
    expect(await Promise.all(outcomes.map((outcome) => writer.recordOutcome(outcome)))).toEqual([false, false, false]);
    for (const payment of [good, release, list]) {
      expect(await rowsOf(database, ["outbox"], payment.paymentId)).toHaveLength(1);
    }
    expect(await rowsOf(database, ["hold_releases", "reconciliation"], good.paymentId)).toEqual([]);
    expect(await rowsOf(database, ["hold_releases"], release.paymentId)).toMatchObject([{ authorization_code: null }]);
    expect(await rowsOf(database, ["reconciliation"], list.paymentId)).toMatchObject([{ reason: "bank_timeout" }]);
  });
});

describe("the plan of recording outcomes", () => {
  /** Looks at the plan as the table grows, on one connection, which keeps the plan it once made. */
  async function expectPlans(admin: pg.Client, client: pg.PoolClient): Promise<void> {
    let rows = 0;
    for (const size of tableSizes) {
      // As a table of decided payments is: hardly one of them is pending.
      await admin.query(
        `insert into payments (merchant_id, payment_id, order_id, attempt, request_hash, amount_minor, currency, status,
           decline_reason, created_at, updated_at, decided_at)
         select 'merchant-1', gen_random_uuid(), 'bulk-' || n, 1, '\\x00', 1, 'CAD', 'declined', 'Declined', now(), now(), now()
         from generate_series($1::int, $2::int) as n`,
        [rows + 1, size],
      );
      rows = size;
      if (size > 0) await admin.query("analyze payments");
      const outcomes = outcomeValues([approved(newPayment()), approved(newPayment())]);
      const plan = await hotPlanOf(client, { name: "record_outcomes", text: recordOutcomesSql }, outcomes);
      const byKey =
        /Index Scan using payments_pkey on payments\n\s+Index Cond: \(ROW\(merchant_id, payment_id\) >= ROW\(o\./;
      expect(plan, `${size} payments`).toMatch(byKey);
      expect(plan, `${size} payments`).toMatch(/Tid Scan on payments p\n\s+TID Cond/);
      expect(plan.match(/on payments/g), `${size} payments`).toHaveLength(3);
    }
  }

  it("finds each payment by its whole key and changes it in its place, however small the table was when the plan was made", async () => {
    const fresh = await createTestDatabase({ schema: "router", directory: migrations });
    try {
      const admin = await fresh.openAdmin();
      const client = await fresh.open().hotPool.connect();
      await expectPlans(admin, client).finally(() => client.release());
    } finally {
      await fresh.drop();
    }
  });
});
