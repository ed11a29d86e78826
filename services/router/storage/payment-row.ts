import type { Selectable } from "kysely";
import type { Currency } from "../../platform/money/currency.ts";
import type { Payment } from "../domain/payment.ts";
import type { PaymentsTable } from "./tables.ts";

/** The columns of `payments` that make a `Payment`, for a select list. */
export const paymentColumns = `merchant_id, payment_id, order_id, attempt, request_hash, bank_id, amount_minor, currency,
  merchant_name, description, metadata, status, authorization_code, decline_reason, captured_minor, refunded_minor,
  open_operation_id, created_at, updated_at, decided_at, expires_at`;

/** A row as selected. */
export type PaymentRow = Omit<Selectable<PaymentsTable>, "due_at">;

/** The payment a row holds. */
export function paymentOf(row: PaymentRow): Payment {
  return {
    merchantId: row.merchant_id,
    paymentId: row.payment_id,
    orderId: row.order_id,
    attempt: row.attempt,
    requestHash: row.request_hash,
    bankId: row.bank_id ?? undefined,
    amountMinor: row.amount_minor,
    currency: row.currency as Currency, // parsed before it was stored
    merchantName: row.merchant_name ?? undefined,
    description: row.description ?? undefined,
    metadataJson: row.metadata ?? undefined,
    status: row.status,
    authorizationCode: row.authorization_code ?? undefined,
    declineReason: row.decline_reason ?? undefined,
    capturedMinor: row.captured_minor,
    refundedMinor: row.refunded_minor,
    openOperationId: row.open_operation_id ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    decidedAt: row.decided_at ?? undefined,
    expiresAt: row.expires_at ?? undefined,
  };
}
