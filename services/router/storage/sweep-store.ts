import { CompiledQuery, type Transaction } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Payment } from "../domain/payment.ts";
import type { PaymentEvent } from "../domain/payment-event.ts";
import { readDueByIndex } from "./due-rows.ts";
import { paymentOf } from "./payment-row.ts";
import { outcomeValues, type PaymentOutcome, recordOutcomesSql } from "./payment-writer.ts";
import type { RouterTables } from "./tables.ts";

/** Batches of payments whose time has come. Safe on several replicas: a row another one works on is skipped. */
export interface SweepStore {
  /**
   * Ends at most `limit` payments that are still pending after their due time, each as `settle` says. Returns how many.
   */
  settleAbandoned(now: Date, limit: number, settle: (payment: Payment) => PaymentOutcome): Promise<number>;
  /**
   * Moves at most `limit` authorizations whose time is over to `expired`, writes the event `tell` gives, and queues the
   * release of their holds. One with an operation under way is left until that has ended. Returns how many.
   */
  expireDue(now: Date, limit: number, tell: (payment: Payment) => PaymentEvent): Promise<number>;
}

const expireSql = `
with ended as (
  update payments p
  set status = 'expired', updated_at = $6, due_at = null
  from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
    as e(merchant_id, payment_id, event_id, event_type, event_body)
  where p.merchant_id = e.merchant_id and p.payment_id = e.payment_id and p.status = 'authorized'
    and p.open_operation_id is null
  returning p.merchant_id, p.payment_id, p.bank_id, p.authorization_code, e.event_id, e.event_type, e.event_body
), told as (
  insert into outbox (merchant_id, event_id, payment_id, type, body, created_at)
  select merchant_id, event_id, payment_id, event_type, event_body, $6 from ended
)
insert into hold_releases (merchant_id, payment_id, bank_id, authorization_code, created_at, due_at)
select merchant_id, payment_id, bank_id, authorization_code, $6, $6 from ended
on conflict do nothing`;

/** Makes the store; the database stays the caller's to close. */
export function createSweepStore(db: Database<RouterTables>): SweepStore {
  return {
    settleAbandoned: (now, limit, settle) =>
      inTransaction(db, async (tx) => {
        const due = await dueIn(tx, "pending", now, limit);
        if (due.length > 0) await tx.executeQuery(CompiledQuery.raw(recordOutcomesSql, outcomeValues(due.map(settle))));
        return due.length;
      }),
    expireDue: (now, limit, tell) =>
      inTransaction(db, async (tx) => {
        const due = await dueIn(tx, "authorized", now, limit);
        if (due.length === 0) return 0;
        const events = due.map(tell);
        const values = [
          due.map((payment) => payment.merchantId),
          due.map((payment) => payment.paymentId),
          events.map((event) => event.eventId),
          events.map((event) => event.type),
          events.map((event) => event.body),
          now,
        ];
        await tx.executeQuery(CompiledQuery.raw(expireSql, values));
        return due.length;
      }),
  };
}

async function dueIn(
  tx: Transaction<RouterTables>,
  status: "pending" | "authorized",
  now: Date,
  limit: number,
): Promise<Payment[]> {
  await readDueByIndex(tx);
  const rows = await tx
    .selectFrom("payments")
    .selectAll()
    .where("due_at", "<=", now)
    .where("status", "=", status)
    .where("open_operation_id", "is", null)
    .orderBy("due_at")
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute();
  return rows.map(paymentOf);
}
