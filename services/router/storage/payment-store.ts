import { sql } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import type { Payment } from "../domain/payment.ts";
import type { PaymentStatus } from "../domain/payment-state.ts";
import { type PaymentRow, paymentColumns, paymentOf } from "./payment-row.ts";
import type { RouterTables } from "./tables.ts";

/** Where a page of payments begins: after this payment, newest first. */
export interface PaymentCursor {
  readonly createdAt: Date;
  readonly merchantId: string;
  readonly paymentId: string;
}

/** Which payments to list. */
export interface PaymentFilter {
  /** Undefined lists every merchant's and is for operators. */
  readonly merchantId: string | undefined;
  readonly orderId: string | undefined;
  readonly status: PaymentStatus | undefined;
  readonly after: PaymentCursor | undefined;
  readonly limit: number;
}

/** Reads of payments. The merchant is part of every key, so another's payment is like one that does not exist. */
export interface PaymentStore {
  find(merchantId: string, paymentId: string): Promise<Payment | undefined>;
  /** The newest attempt made for an order without an Idempotency-Key. */
  lastAttempt(merchantId: string, orderId: string): Promise<Payment | undefined>;
  /** At most `limit` payments, newest first. */
  list(filter: PaymentFilter): Promise<Payment[]>;
}

/** Makes the store; the database stays the caller's to close. */
export function createPaymentStore(db: Database<RouterTables>): PaymentStore {
  return {
    find: async (merchantId, paymentId) => {
      const { rows } = await db.pool.query<PaymentRow>({
        name: "find_payment",
        text: `select ${paymentColumns} from payments where merchant_id = $1 and payment_id = $2`,
        values: [merchantId, paymentId],
      });
      return rows[0] === undefined ? undefined : paymentOf(rows[0]);
    },
    lastAttempt: async (merchantId, orderId) => {
      const { rows } = await db.pool.query<PaymentRow>({
        name: "last_attempt",
        text: `select ${paymentColumns} from payments where merchant_id = $1 and order_id = $2 and attempt > 0
          order by attempt desc limit 1`,
        values: [merchantId, orderId],
      });
      return rows[0] === undefined ? undefined : paymentOf(rows[0]);
    },
    list: (filter) => listPayments(db, filter),
  };
}

async function listPayments(db: Database<RouterTables>, filter: PaymentFilter): Promise<Payment[]> {
  let query = db.query.selectFrom("payments").selectAll();
  // The collation is the one of the index by age.
  const ofMerchant = sql`merchant_id collate "C"`;
  if (filter.merchantId !== undefined) query = query.where(ofMerchant, "=", filter.merchantId);
  if (filter.orderId !== undefined) query = query.where("order_id", "=", filter.orderId);
  if (filter.status !== undefined) query = query.where("status", "=", filter.status);
  const { after } = filter;
  if (after !== undefined) {
    query =
      filter.merchantId === undefined
        ? query.where(({ eb, refTuple, tuple }) =>
            eb(
              refTuple("created_at", "merchant_id", "payment_id"),
              "<",
              tuple(after.createdAt, after.merchantId, after.paymentId),
            ),
          )
        : query.where(({ eb, refTuple, tuple }) =>
            eb(refTuple("created_at", "payment_id"), "<", tuple(after.createdAt, after.paymentId)),
          );
  }
  query = query.orderBy("created_at", "desc");
  if (filter.merchantId === undefined) query = query.orderBy("merchant_id", "desc");
  const rows = await query.orderBy("payment_id", "desc").limit(filter.limit).execute();
  return rows.map(paymentOf);
}
