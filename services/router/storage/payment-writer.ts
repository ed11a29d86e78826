import type pg from "pg";
import { type Batcher, createBatcher } from "../../platform/db/batcher.ts";
import { type HotStatement, queryHot } from "../../platform/db/hot-statements.ts";
import { sqlStateOf } from "../../platform/db/transaction.ts";
import type { Payment } from "../domain/payment.ts";
import type { PaymentEvent } from "../domain/payment-event.ts";

const rowsMax = 128;
const flightsMax = 2;
const waitingMax = 10_000;

/** A payment as it is first written. */
export type NewPayment = Pick<
  Payment,
  | "merchantId"
  | "paymentId"
  | "orderId"
  | "attempt"
  | "requestHash"
  | "bankId"
  | "amountMinor"
  | "currency"
  | "merchantName"
  | "description"
  | "metadataJson"
  | "createdAt"
>;

/** What follows from an outcome that leaves a hold in doubt: release it by key, or list it for an operator. */
export type DoubtfulHold = "release" | "list";

/** How a payment leaves `pending`, and what the merchant is told of it. */
export interface PaymentOutcome {
  readonly merchantId: string;
  readonly paymentId: string;
  readonly status: "authorized" | "declined" | "failed";
  readonly authorizationCode: string | undefined;
  readonly declineReason: string | undefined;
  readonly decidedAt: Date;
  /** Set for `authorized` alone. */
  readonly expiresAt: Date | undefined;
  readonly event: PaymentEvent;
  readonly doubtfulHold: DoubtfulHold | undefined;
}

/** The hot writes of an authorization. Every promise rejects with the database's error when the write may not have happened. */
export interface PaymentWriter {
  /** Writes a pending payment; false when its id is taken, and then nothing changed. `dueAt`: when a sweep takes it for left behind. */
  insertPending(payment: NewPayment, dueAt: Date): Promise<boolean>;
  /** Writes a payment that no bank was asked for, with its event; false when its id is taken. */
  insertDecided(payment: NewPayment, outcome: PaymentOutcome): Promise<boolean>;
  /** Moves a payment out of `pending` and writes its event; false when it had left that state already. */
  recordOutcome(outcome: PaymentOutcome): Promise<boolean>;
}

/** Makes the writer over the pool of hot statements. */
export function createPaymentWriter(pool: pg.Pool): PaymentWriter {
  const pending = createBatcher({
    flush: (rows: readonly PendingRow[]) => flushPending(pool, rows),
    rowsMax,
    flightsMax,
    waitingMax,
    isRowFault,
  });
  const outcomes: Batcher<PaymentOutcome, boolean> = createBatcher({
    flush: (rows: readonly PaymentOutcome[]) => flushOutcomes(pool, rows),
    rowsMax,
    flightsMax,
    waitingMax,
    isRowFault,
  });
  return {
    insertPending: (payment, dueAt) => pending.add({ payment, dueAt }),
    insertDecided: (payment, outcome) => insertDecided(pool, payment, outcome),
    recordOutcome: (outcome) => outcomes.add(outcome),
  };
}

interface PendingRow {
  readonly payment: NewPayment;
  readonly dueAt: Date;
}

/** Data and constraint errors concern one row; anything else the statement or the connection. */
function isRowFault(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== undefined && (state.startsWith("22") || state.startsWith("23"));
}

const insertPending: HotStatement = {
  name: "insert_pending",
  text: `
insert into payments (merchant_id, payment_id, order_id, attempt, request_hash, bank_id, amount_minor, currency,
  merchant_name, description, metadata, status, created_at, updated_at, due_at)
select n.merchant_id, n.payment_id, n.order_id, n.attempt, n.request_hash, n.bank_id, n.amount_minor, n.currency,
  n.merchant_name, n.description, n.metadata, 'pending', n.created_at, n.created_at, n.due_at
from unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::bytea[], $6::text[], $7::bigint[], $8::text[], $9::text[],
  $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[])
  as n(merchant_id, payment_id, order_id, attempt, request_hash, bank_id, amount_minor, currency, merchant_name,
  description, metadata, created_at, due_at)
on conflict do nothing
returning merchant_id, payment_id`,
};

async function flushPending(pool: pg.Pool, rows: readonly PendingRow[]): Promise<boolean[]> {
  const of = <V>(read: (row: NewPayment) => V): V[] => rows.map((row) => read(row.payment));
  const written = await queryHot<WrittenRow>(pool, insertPending, [
    of((row) => row.merchantId),
    of((row) => row.paymentId),
    of((row) => row.orderId),
    of((row) => row.attempt),
    of((row) => row.requestHash),
    of((row) => row.bankId),
    of((row) => row.amountMinor),
    of((row) => row.currency),
    of((row) => row.merchantName),
    of((row) => row.description),
    of((row) => row.metadataJson),
    of((row) => row.createdAt),
    rows.map((row) => row.dueAt),
  ]);
  return matchWritten(
    of((row) => row),
    written,
  );
}

interface WrittenRow {
  readonly merchant_id: string;
  readonly payment_id: string;
}

/**
 * Which rows were written, each written row counted once: of two equal ids in one batch the statement wrote one, and only
 * one of the two callers may go on to the bank.
 */
function matchWritten(
  rows: readonly { readonly merchantId: string; readonly paymentId: string }[],
  written: readonly WrittenRow[],
): boolean[] {
  const left = new Set(written.map((row) => `${row.payment_id} ${row.merchant_id}`));
  return rows.map((row) => left.delete(`${row.paymentId} ${row.merchantId}`));
}

/**
 * Used by the sweeps too, in a transaction of theirs. Each payment is the first of those from its key on, which the primary key alone can tell, and
 * is changed in its place. Any plainer join has other plans as well: one made while the table held a few payments reads all of it, or skips through
 * another index, and is kept while the table grows.
 */
export const recordOutcomesSql = `
with told_of as (
  select o.*, found.place
  from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
    $8::uuid[], $9::text[], $10::text[], $11::text[])
    as o(merchant_id, payment_id, status, authorization_code, decline_reason, decided_at, expires_at, event_id, event_type,
    event_body, doubtful_hold)
  cross join lateral (
    select merchant_id, payment_id, ctid as place from payments
    where (merchant_id, payment_id) >= (o.merchant_id, o.payment_id) order by merchant_id, payment_id limit 1
  ) as found
  where found.merchant_id = o.merchant_id and found.payment_id = o.payment_id
), changed as (
  update payments p
  set status = o.status, authorization_code = o.authorization_code, decline_reason = o.decline_reason,
      decided_at = o.decided_at, updated_at = o.decided_at, expires_at = o.expires_at, due_at = o.expires_at
  from told_of o
  where p.ctid = o.place and p.status = 'pending'
  returning p.merchant_id, p.payment_id, p.order_id, p.bank_id, p.amount_minor, p.currency, o.decided_at, o.event_id,
    o.event_type, o.event_body, o.doubtful_hold, o.decline_reason
), told as (
  insert into outbox (merchant_id, event_id, payment_id, type, body, created_at)
  select merchant_id, event_id, payment_id, event_type, event_body, decided_at from changed
), released as (
  insert into hold_releases (merchant_id, payment_id, bank_id, created_at, due_at)
  select merchant_id, payment_id, bank_id, decided_at, decided_at from changed where doubtful_hold = 'release'
  on conflict do nothing
), listed as (
  insert into reconciliation (merchant_id, payment_id, operation_id, order_id, bank_id, operation, amount_minor, currency,
    reason, created_at)
  select merchant_id, payment_id, payment_id, order_id, bank_id, 'authorize', amount_minor, currency, decline_reason,
    decided_at
  from changed where doubtful_hold = 'list'
  on conflict do nothing
)
select merchant_id, payment_id from changed`;

/** The values of `recordOutcomesSql`. */
export function outcomeValues(rows: readonly PaymentOutcome[]): unknown[] {
  return [
    rows.map((row) => row.merchantId),
    rows.map((row) => row.paymentId),
    rows.map((row) => row.status),
    rows.map((row) => row.authorizationCode),
    rows.map((row) => row.declineReason),
    rows.map((row) => row.decidedAt),
    rows.map((row) => row.expiresAt),
    rows.map((row) => row.event.eventId),
    rows.map((row) => row.event.type),
    rows.map((row) => row.event.body),
    rows.map((row) => row.doubtfulHold),
  ];
}

const recordOutcomes: HotStatement = { name: "record_outcomes", text: recordOutcomesSql };

async function flushOutcomes(pool: pg.Pool, rows: readonly PaymentOutcome[]): Promise<boolean[]> {
  const changed = await queryHot<WrittenRow>(pool, recordOutcomes, outcomeValues(rows));
  return matchWritten(rows, changed);
}

const insertDecidedStatement: HotStatement = {
  name: "insert_decided",
  text: `
with written as (
  insert into payments (merchant_id, payment_id, order_id, attempt, request_hash, bank_id, amount_minor, currency,
    merchant_name, description, metadata, status, decline_reason, created_at, updated_at, decided_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15)
  on conflict do nothing
  returning merchant_id, payment_id
), told as (
  insert into outbox (merchant_id, event_id, payment_id, type, body, created_at)
  select merchant_id, $16::uuid, payment_id, $17::text, $18::text, $15 from written
)
select merchant_id, payment_id from written`,
};

async function insertDecided(pool: pg.Pool, payment: NewPayment, outcome: PaymentOutcome): Promise<boolean> {
  const written = await queryHot<WrittenRow>(pool, insertDecidedStatement, [
    payment.merchantId,
    payment.paymentId,
    payment.orderId,
    payment.attempt,
    payment.requestHash,
    payment.bankId,
    payment.amountMinor,
    payment.currency,
    payment.merchantName,
    payment.description,
    payment.metadataJson,
    outcome.status,
    outcome.declineReason,
    payment.createdAt,
    outcome.decidedAt,
    outcome.event.eventId,
    outcome.event.type,
    outcome.event.body,
  ]);
  return written.length > 0;
}
