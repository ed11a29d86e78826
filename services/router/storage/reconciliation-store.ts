import type { Database } from "../../platform/db/open-database.ts";
import type { Currency } from "../../platform/money/currency.ts";
import type { OperationKind } from "../domain/operation.ts";
import type { RouterTables } from "./tables.ts";

/** An outcome at a bank that no program can find out. The amount is in minor units. */
export interface ReconciliationEntry {
  readonly merchantId: string;
  readonly paymentId: string;
  readonly operationId: string;
  readonly orderId: string;
  readonly bankId: string;
  readonly operation: OperationKind | "authorize";
  readonly amountMinor: bigint;
  readonly currency: Currency;
  readonly reason: string;
  readonly createdAt: Date;
}

/** Where a page begins: after this entry, oldest first. */
export type ReconciliationCursor = Pick<ReconciliationEntry, "createdAt" | "merchantId" | "paymentId" | "operationId">;

/** The operator's list. */
export interface ReconciliationStore {
  list(filter: {
    readonly bankId: string | undefined;
    readonly after: ReconciliationCursor | undefined;
    readonly limit: number;
  }): Promise<ReconciliationEntry[]>;
}

/** Makes the store; the database stays the caller's to close. */
export function createReconciliationStore(db: Database<RouterTables>): ReconciliationStore {
  return {
    list: async ({ bankId, after, limit }) => {
      let query = db.query.selectFrom("reconciliation").selectAll();
      if (bankId !== undefined) query = query.where("bank_id", "=", bankId);
      if (after !== undefined) {
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(
            refTuple("created_at", "merchant_id", "payment_id", "operation_id"),
            ">",
            tuple(after.createdAt, after.merchantId, after.paymentId, after.operationId),
          ),
        );
      }
      const rows = await query
        .orderBy("created_at")
        .orderBy("merchant_id")
        .orderBy("payment_id")
        .orderBy("operation_id")
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        merchantId: row.merchant_id,
        paymentId: row.payment_id,
        operationId: row.operation_id,
        orderId: row.order_id,
        bankId: row.bank_id,
        operation: row.operation,
        amountMinor: row.amount_minor,
        currency: row.currency as Currency, // parsed before it was stored
        reason: row.reason,
        createdAt: row.created_at,
      }));
    },
  };
}
