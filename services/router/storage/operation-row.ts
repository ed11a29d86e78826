import type { Selectable } from "kysely";
import type { Operation } from "../domain/operation.ts";
import type { OperationsTable } from "./tables.ts";

/** The operation a row holds. */
export function operationOf(row: Selectable<OperationsTable>): Operation {
  return {
    merchantId: row.merchant_id,
    operationId: row.operation_id,
    paymentId: row.payment_id,
    bankId: row.bank_id,
    kind: row.kind,
    amountMinor: row.amount_minor,
    state: row.state,
    settling: row.settling,
    requestKey: row.request_key ?? undefined,
    askedMinor: row.asked_minor ?? undefined,
    unreachable: row.unreachable,
    attempts: row.attempts,
    statusAfter: row.status_after ?? undefined,
    refundedAfterMinor: row.refunded_after_minor ?? undefined,
    createdAt: row.created_at,
    finishedAt: row.finished_at ?? undefined,
  };
}
