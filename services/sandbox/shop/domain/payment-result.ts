import type { OrderState } from "./order.ts";

/** What became of an authorisation, as the Router told it. */
export interface AuthorizationResult {
  readonly state: Extract<OrderState, "authorized" | "captured" | "declined" | "failed">;
  readonly transactionId: string | null;
  readonly authorizationCode: string | null;
  readonly declineReason: string | null;
}

/** What became of a capture, void or refund: the state the payment really has. Amounts are minor units, if told. */
export interface DeskResult {
  readonly done: boolean;
  readonly state: OrderState | null;
  readonly capturedMinor: bigint | null;
  readonly refundedMinor: bigint | null;
  /** The Router's word for the refusal. */
  readonly error: string | null;
}

const routerStates: Readonly<Record<string, OrderState>> = {
  pending: "paying",
  authorized: "authorized",
  captured: "captured",
  refunded: "refunded",
  voided: "voided",
  expired: "expired",
  declined: "declined",
  failed: "failed",
};

/** Reads a payment status of the Router; one this shop does not know is null and changes nothing. */
export function parsePaymentStatus(status: string): OrderState | null {
  return routerStates[status] ?? null;
}

const customerWords: ReadonlyArray<readonly [pattern: RegExp, words: string]> = [
  [/insufficient credit/i, "The card does not have enough available credit."],
  [/expired/i, "The approval ran out before it was used. Please try again."],
  [/exceeds consent/i, "The total is above the limit you gave at the bank."],
  [/merchant mismatch|amount mismatch|currency mismatch/i, "The approval was given for another payment."],
  [/revoked/i, "The bank no longer lets this wallet pay. Please reconnect the bank in your wallet."],
  [/bank not active|unknown bank|unavailable|timeout/i, "The bank cannot be reached right now."],
];

/** A sentence for the customer; what a bank wrote itself is never shown. */
export function wordsForRefusal(declineReason: string | null): string {
  const reason = declineReason ?? "";
  const known = customerWords.find(([pattern]) => pattern.test(reason));
  return known?.[1] ?? "The bank did not approve this payment.";
}
