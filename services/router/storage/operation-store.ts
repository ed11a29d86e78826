import type { Selectable } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import { sqlStateOf } from "../../platform/db/transaction.ts";
import type { Operation, OperationKind } from "../domain/operation.ts";
import type { Payment } from "../domain/payment.ts";
import type { PaymentEvent } from "../domain/payment-event.ts";
import type { PaymentStatus } from "../domain/payment-state.ts";
import { takeDueRows } from "./due-rows.ts";
import { operationOf } from "./operation-row.ts";
import type { OperationsTable, RouterTables } from "./tables.ts";

/** A capture, void or refund to be written before its bank is called. */
export interface Intent {
  readonly operationId: string;
  readonly kind: OperationKind;
  readonly bankId: string;
  /** Minor units. */
  readonly amountMinor: bigint;
  /** What the merchant asked for; undefined means all that was left. */
  readonly askedMinor: bigint | undefined;
  readonly reason: string | undefined;
  readonly requestKey: Buffer | undefined;
  /** Whether `requestKey` comes from an Idempotency-Key, so that a refusal is remembered under it too. */
  readonly keyed: boolean;
  readonly createdAt: Date;
  /** When a job takes over, should the process die. */
  readonly dueAt: Date;
}

/** How a successful operation changes its payment, with the event that tells the merchant. */
export interface OperationResult {
  readonly status: PaymentStatus;
  readonly capturedMinor: bigint;
  readonly refundedMinor: bigint;
  readonly at: Date;
  readonly event: PaymentEvent;
}

/** Writes and reads of operations. Every change is conditional on the operation still being open. */
export interface OperationStore {
  /**
   * Writes the intent if the payment is still as given and takes no other operation. Undefined when it is not, or when the
   * request key is taken: read again and decide anew.
   */
  claim(payment: Payment, intent: Intent): Promise<Operation | undefined>;
  /** Ends an open operation and changes its payment, with its event, in one statement; false when it was ended before. */
  succeed(operation: Operation, result: OperationResult): Promise<boolean>;
  /** Ends an open operation with the payment unchanged; false when it was ended before. */
  refuse(operation: Operation, refusal: { readonly unreachable: boolean; readonly at: Date }): Promise<boolean>;
  /** Hands an open operation to the settling job. */
  settleLater(operation: Operation, dueAt: Date): Promise<void>;
  /** Ends the program's part in an operation nobody can repeat, and lists it for an operator. */
  leaveUnresolved(operation: Operation, payment: Payment, reason: string, at: Date): Promise<void>;
  /** Takes open operations that are due, for `leaseMs`; another replica takes them after it. */
  takeDue(now: Date, leaseMs: number, limit: number): Promise<Operation[]>;
  find(merchantId: string, operationId: string): Promise<Operation | undefined>;
  findByRequestKey(merchantId: string, paymentId: string, requestKey: Buffer): Promise<Operation | undefined>;
  /** The latest of this kind that succeeded. */
  lastDone(merchantId: string, paymentId: string, kind: OperationKind): Promise<Operation | undefined>;
}

type OperationRow = Selectable<OperationsTable>;

const uniqueViolation = "23505";

const claimSql = `
with claimed as (
  update payments set open_operation_id = $3
  where merchant_id = $1 and payment_id = $2 and status = $4 and captured_minor = $5 and refunded_minor = $6
    and open_operation_id is null
  returning merchant_id, payment_id
)
insert into operations (merchant_id, operation_id, payment_id, bank_id, kind, amount_minor, asked_minor, reason,
  request_key, keyed, state, created_at, due_at)
select merchant_id, $3::uuid, payment_id, $7::text, $8::text, $9::bigint, $10::bigint, $11::text, $12::bytea, $13::boolean,
  'open', $14::timestamptz, $15::timestamptz
from claimed
returning *`;

const succeedSql = `
with changed as (
  update payments
  set status = $4, captured_minor = $5, refunded_minor = $6, open_operation_id = null, due_at = null, updated_at = $7
  where merchant_id = $1 and payment_id = $2 and open_operation_id = $3
  returning merchant_id, payment_id
), finished as (
  update operations o
  set state = 'succeeded', status_after = $4, refunded_after_minor = $6, finished_at = $7, due_at = null
  from changed c where o.merchant_id = c.merchant_id and o.operation_id = $3
), told as (
  insert into outbox (merchant_id, event_id, payment_id, type, body, created_at)
  select merchant_id, $8::uuid, payment_id, $9::text, $10::text, $7 from changed
)
select payment_id from changed`;

const refuseSql = `
with freed as (
  update payments set open_operation_id = null
  where merchant_id = $1 and payment_id = $2 and open_operation_id = $3
  returning merchant_id
), finished as (
  update operations o
  set state = 'refused', unreachable = $4, finished_at = $5, due_at = null,
      request_key = case when keyed then request_key end
  from freed f where o.merchant_id = f.merchant_id and o.operation_id = $3
)
select merchant_id from freed`;

const unresolvedSql = `
with given_up as (
  update operations set state = 'unresolved', finished_at = $3, due_at = null
  where merchant_id = $1 and operation_id = $2 and state = 'open'
  returning merchant_id, payment_id, operation_id, bank_id, kind, amount_minor
)
insert into reconciliation (merchant_id, payment_id, operation_id, order_id, bank_id, operation, amount_minor, currency,
  reason, created_at)
select merchant_id, payment_id, operation_id, $4::text, bank_id, kind, amount_minor, $5::text, $6::text, $3 from given_up
on conflict do nothing`;

const takeDueSql = `
update operations set due_at = $2, attempts = attempts + 1, settling = true
where (merchant_id, operation_id) in (
  select merchant_id, operation_id from operations
  where due_at <= $1 order by due_at limit $3 for update skip locked)
returning *`;

/** Makes the store; the database stays the caller's to close. */
export function createOperationStore(db: Database<RouterTables>): OperationStore {
  const { pool } = db;
  return {
    claim: async (payment, intent) => {
      try {
        const { rows } = await pool.query<OperationRow>({
          name: "claim_operation",
          text: claimSql,
          values: claimValues(payment, intent),
        });
        return firstOperation(rows);
      } catch (error) {
        if (sqlStateOf(error) === uniqueViolation) return undefined;
        throw error;
      }
    },
    succeed: async (operation, result) => {
      const { rows } = await pool.query({
        name: "succeed_operation",
        text: succeedSql,
        values: [
          operation.merchantId,
          operation.paymentId,
          operation.operationId,
          result.status,
          result.capturedMinor,
          result.refundedMinor,
          result.at,
          result.event.eventId,
          result.event.type,
          result.event.body,
        ],
      });
      return rows.length > 0;
    },
    refuse: async (operation, refusal) => {
      const { rows } = await pool.query({
        name: "refuse_operation",
        text: refuseSql,
        values: [operation.merchantId, operation.paymentId, operation.operationId, refusal.unreachable, refusal.at],
      });
      return rows.length > 0;
    },
    settleLater: async (operation, dueAt) => {
      await pool.query(
        `update operations set settling = true, due_at = $3
         where merchant_id = $1 and operation_id = $2 and state = 'open'`,
        [operation.merchantId, operation.operationId, dueAt],
      );
    },
    leaveUnresolved: async (operation, payment, reason, at) => {
      await pool.query(unresolvedSql, [
        operation.merchantId,
        operation.operationId,
        at,
        payment.orderId,
        payment.currency,
        reason,
      ]);
    },
    takeDue: async (now, leaseMs, limit) => {
      const values = [now, new Date(now.getTime() + leaseMs), limit];
      return (await takeDueRows<OperationRow>(db, takeDueSql, values)).map(operationOf);
    },
    find: async (merchantId, operationId) => {
      const { rows } = await pool.query<OperationRow>(
        "select * from operations where merchant_id = $1 and operation_id = $2",
        [merchantId, operationId],
      );
      return firstOperation(rows);
    },
    findByRequestKey: async (merchantId, paymentId, requestKey) => {
      const { rows } = await pool.query<OperationRow>(
        "select * from operations where merchant_id = $1 and payment_id = $2 and request_key = $3",
        [merchantId, paymentId, requestKey],
      );
      return firstOperation(rows);
    },
    lastDone: async (merchantId, paymentId, kind) => {
      // Refunds are one at a time, each after the one before: the sum tells their order. Of the others there is one.
      const { rows } = await pool.query<OperationRow>(
        `select * from operations
         where merchant_id = $1 and payment_id = $2 and kind = $3 and state = 'succeeded'
         order by refunded_after_minor desc limit 1`,
        [merchantId, paymentId, kind],
      );
      return firstOperation(rows);
    },
  };
}

function claimValues(payment: Payment, intent: Intent): unknown[] {
  return [
    payment.merchantId,
    payment.paymentId,
    intent.operationId,
    payment.status,
    payment.capturedMinor,
    payment.refundedMinor,
    intent.bankId,
    intent.kind,
    intent.amountMinor,
    intent.askedMinor,
    intent.reason,
    intent.requestKey,
    intent.keyed,
    intent.createdAt,
    intent.dueAt,
  ];
}

function firstOperation(rows: readonly OperationRow[]): Operation | undefined {
  return rows[0] === undefined ? undefined : operationOf(rows[0]);
}
