import type { Selectable } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import type { Currency } from "../../platform/money/currency.ts";
import type { OperationKind } from "../domain/operation.ts";
import type { ReconciliationTable, RouterTables } from "./tables.ts";

/** What an operator learned from the bank: it took place there, or it did not. */
export type ReconciliationOutcome = "done" | "not_done";

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
  /** Absent while the entry is open. */
  readonly resolution:
    | { readonly outcome: ReconciliationOutcome; readonly at: Date; readonly operator: string }
    | undefined;
}

/** Where a page begins: after this entry, oldest first. */
export type ReconciliationCursor = Pick<ReconciliationEntry, "createdAt" | "merchantId" | "paymentId" | "operationId">;

/** The operator's list. */
export interface ReconciliationStore {
  /** Open entries, oldest first. */
  list(filter: {
    readonly bankId: string | undefined;
    readonly after: ReconciliationCursor | undefined;
    readonly limit: number;
  }): Promise<ReconciliationEntry[]>;
  /** The entry of an operation, or of an authorization under its payment's id; open or closed. */
  find(operationId: string): Promise<ReconciliationEntry | undefined>;
  /** Closes an open entry; false when it was closed before. */
  close(
    entry: ReconciliationEntry,
    outcome: ReconciliationOutcome,
    by: { operator: string; at: Date },
  ): Promise<boolean>;
}

/** Makes the store; the database stays the caller's to close. */
export function createReconciliationStore(db: Database<RouterTables>): ReconciliationStore {
  return {
    list: async ({ bankId, after, limit }) => {
      let query = db.query.selectFrom("reconciliation").selectAll().where("outcome", "is", null);
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
      return rows.map(toEntry);
    },
    find: async (operationId) => {
      const row = await db.query
        .selectFrom("reconciliation")
        .selectAll()
        .where("operation_id", "=", operationId)
        .executeTakeFirst();
      return row && toEntry(row);
    },
    close: async (entry, outcome, by) => {
      const result = await db.query
        .updateTable("reconciliation")
        .set({ outcome, resolved_at: by.at, resolved_by: by.operator })
        .where("merchant_id", "=", entry.merchantId)
        .where("payment_id", "=", entry.paymentId)
        .where("operation_id", "=", entry.operationId)
        .where("outcome", "is", null)
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
  };
}

function toEntry(row: Selectable<ReconciliationTable>): ReconciliationEntry {
  const { outcome, resolved_at: at, resolved_by: operator } = row;
  return {
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
    resolution: outcome === null || at === null || operator === null ? undefined : { outcome, at, operator },
  };
}
