import type { Currency } from "../../platform/money/currency.ts";
import type { PaymentStatus } from "./payment-state.ts";

/** A payment as stored. Amounts are minor units of `currency`. Card tokens are not part of it. */
export interface Payment {
  readonly merchantId: string;
  readonly paymentId: string;
  readonly orderId: string;
  /** Which try for the order this is, from 1; 0 when the merchant sent an Idempotency-Key. */
  readonly attempt: number;
  /** Keyed hash of the request, to tell a replay from another body under the same key. */
  readonly requestHash: Buffer;
  /** The bank that was asked; absent when none was. */
  readonly bankId: string | undefined;
  readonly amountMinor: bigint;
  readonly currency: Currency;
  readonly merchantName: string | undefined;
  readonly description: string | undefined;
  /** The merchant's own JSON object, as text. */
  readonly metadataJson: string | undefined;
  readonly status: PaymentStatus;
  readonly authorizationCode: string | undefined;
  readonly declineReason: string | undefined;
  readonly capturedMinor: bigint;
  readonly refundedMinor: bigint;
  /** The capture, void or refund under way; at most one. */
  readonly openOperationId: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** When the bank's answer was recorded; absent while pending. */
  readonly decidedAt: Date | undefined;
  /** When an authorization lapses; absent for a payment that was never authorized. */
  readonly expiresAt: Date | undefined;
}

/** An authorization lives seven days, at the bank and here. */
export const authorizationLifeMs = 168 * 60 * 60 * 1000;

/** What a bank has to say within, per call. */
export const bankDeadlineMs = 10_000;

/**
 * A payment still pending after this was left by a crash: the bank's deadline, then time for the outcome to be written
 * again and again while the database restarts.
 */
export const pendingSettleAfterMs = bankDeadlineMs + 10_000;
