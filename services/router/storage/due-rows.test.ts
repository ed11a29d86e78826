import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../platform/db/open-database.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { parseCurrency } from "../../platform/money/currency.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { createPaymentIds } from "../domain/payment-id.ts";
import { outcomeOf } from "../flows/outcome.ts";
import { migrations } from "../testing/router-under-test.ts";
import { createOperationStore } from "./operation-store.ts";
import { createPaymentWriter } from "./payment-writer.ts";
import { createReleaseStore } from "./release-store.ts";
import { createSweepStore } from "./sweep-store.ts";
import type { RouterTables } from "./tables.ts";

const ids = createPaymentIds("a payment id key for tests, 32 long");
const at = new Date("2026-03-01T10:00:00.000Z");
const weekLater = new Date("2026-03-09T10:00:00.000Z");
const rowsMax = 2_000;
const stillPending = 20;

let database: TestDatabase;
let admin: pg.Client;
/** Its pool has one connection for what is not hot, so that the statistics of the sweeps are that connection's to tell. */
let db: Database<RouterTables>;

beforeAll(async () => {
  database = await createTestDatabase({ schema: "router", directory: migrations });
  admin = await database.openAdmin();
  db = database.open<RouterTables>({ poolSizeMax: 2 });
  for (const table of ["payments", "operations", "hold_releases"]) {
    await admin.query(`alter table ${table} set (autovacuum_enabled = off)`);
  }
  // As for tables too large to be read whole.
  await admin.query(
    "do $$ begin execute format('alter database %I set enable_seqscan = off', current_database()); end $$",
  );
});

afterAll(async () => {
  await database.drop();
});

/** Makes payments, one a millisecond; their bank approves all but the last few. */
async function makePayments(): Promise<void> {
  const writer = createPaymentWriter(db.hotPool);
  const make = async (index: number) => {
    const orderId = `order-${index}`;
    const createdAt = new Date(at.getTime() + index);
    const payment = {
      ...{ merchantId: "merchant-1", paymentId: ids.forOrder("merchant-1", orderId, 1), orderId, attempt: 1 },
      ...{ requestHash: Buffer.alloc(32, 9), bankId: "north-bank", amountMinor: 100n, currency: parseCurrency("CAD") },
      ...{ merchantName: undefined, description: undefined, metadataJson: undefined, createdAt },
    };
    await writer.insertPending(payment, new Date(createdAt.getTime() + 20_000));
    if (index >= rowsMax - stillPending) return;
    const answer = { kind: "approved", authorizationCode: "AUTH-1" } as const;
    const outcome = outcomeOf(payment, { voidByKey: true }, answer, { at: createdAt, eventId: uuidv7() });
    await writer.recordOutcome(outcome);
  };
  await Promise.all(Array.from({ length: rowsMax }, (_, index) => make(index)));
}

/** Ends the insert of rows with a due time about $2, in no order of it. */
const oneInTwelveIsDue = `$2::timestamptz + case when n % 12 = 0 then -1 else 1 end * n * interval '1 second'
       from generate_series(1, $3::int) as n order by md5(n::text)`;

/** How many entries of the index of due times scans have been given, dead ones among them. */
async function entriesRead(index: string): Promise<number> {
  await db.pool.query("select pg_stat_force_next_flush()");
  const { rows } = await admin.query<{ read: string }>(
    "select idx_tup_read::text as read from pg_stat_all_indexes where indexrelname = $1",
    [index],
  );
  return Number(rows[0]?.read);
}

/**
 * Lets a sweep take its turn, which finds nothing. Resolves with how many entries of this index that has read. While a transaction is open
 * anywhere on the server, what ended since it began is not dead yet and is read once more: hence the polls.
 */
async function turnOf(sweep: () => Promise<number>, index: string): Promise<number> {
  const before = await entriesRead(index);
  expect(await sweep()).toBe(0);
  return (await entriesRead(index)) - before;
}

// What the planner knows in each is of a day when few of many rows would do: a bitmap scan would be cheapest.
describe("what ended rows left in an index of due times is read once, and not at every turn until a vacuum,", () => {
  it("when a sweep looks for payments", async () => {
    await makePayments();
    await admin.query("analyze payments");
    await admin.query("update payments set status = 'expired', due_at = null where status = 'authorized'");
    await admin.query(
      "update payments set status = 'failed', due_at = null, decided_at = now() where status = 'pending'",
    );
    const sweeps = createSweepStore(db);
    const turn = () => turnOf(() => sweeps.settleAbandoned(weekLater, 100, () => expect.unreachable()), "payments_due");
    expect(await turn()).toBeGreaterThanOrEqual(rowsMax);
    await expect.poll(turn).toBeLessThan(rowsMax / 10);
  });

  it("when it looks for operations", async () => {
    await admin.query(
      `insert into operations (merchant_id, operation_id, payment_id, bank_id, kind, amount_minor, state, created_at, due_at)
       select 'merchant-1', gen_random_uuid(), gen_random_uuid(), 'north-bank', 'capture', 100, 'open', $1,
         ${oneInTwelveIsDue}`,
      [at, weekLater, rowsMax],
    );
    await admin.query("analyze operations");
    await admin.query("update operations set state = 'succeeded', due_at = null");
    const store = createOperationStore(db);
    const turn = () => turnOf(async () => (await store.takeDue(weekLater, 1_000, 200)).length, "operations_due");
    expect(await turn()).toBeGreaterThanOrEqual(Math.floor(rowsMax / 12));
    await expect.poll(turn).toBeLessThan(rowsMax / 120);
  });

  it("when it looks for holds to release", async () => {
    await admin.query(
      `insert into hold_releases (merchant_id, payment_id, bank_id, created_at, due_at)
       select 'merchant-1', gen_random_uuid(), 'north-bank', $1,
         ${oneInTwelveIsDue}`,
      [at, weekLater, rowsMax],
    );
    await admin.query("analyze hold_releases");
    await admin.query("update hold_releases set due_at = null, released_at = now()");
    const store = createReleaseStore(db);
    const turn = () => turnOf(async () => (await store.takeDue(weekLater, 1_000, 200)).length, "hold_releases_due");
    expect(await turn()).toBeGreaterThanOrEqual(Math.floor(rowsMax / 12));
    await expect.poll(turn).toBeLessThan(rowsMax / 120);
  });
});
