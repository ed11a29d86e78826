/** Why a payment is `failed`: the stable word shown as `declineReason`. Nothing a bank wrote is part of it. */
export type FailureReason = "bank_timeout" | "bank_unavailable" | "bank_invalid_answer";

/** How an authorize call to a bank ended. `holdPossible`: the bank may have taken a hold we do not know of. */
export type AuthorizeOutcome =
  | { readonly kind: "approved"; readonly authorizationCode: string }
  | { readonly kind: "declined"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: FailureReason; readonly holdPossible: boolean };

/**
 * How a capture, void or refund call ended. `refused`: the bank certainly did nothing. `unreachable`: likewise, because it
 * did not take our call at all. `unknown`: it may or may not have acted.
 */
export type OperationOutcome = "done" | "refused" | "unreachable" | "unknown";

/** Shown as `message` beside a `failed` payment. */
export const failureMessages: Readonly<Record<FailureReason, string>> = Object.freeze({
  bank_timeout: "The bank did not answer in time. The payment was not made.",
  bank_unavailable: "The bank is not available right now. The payment was not made.",
  bank_invalid_answer: "The bank's answer could not be used. The payment was not made.",
});

/** Reads a stored reason; anything else is the general one. */
export function parseFailureReason(text: string | undefined): FailureReason {
  return text === "bank_timeout" || text === "bank_invalid_answer" ? text : "bank_unavailable";
}

const knownDeclineReasons: ReadonlySet<string> = new Set([
  "Invalid card token",
  "Consent revoked",
  "Consent expired",
  "Merchant mismatch",
  "Amount exceeds consent limit",
  "Card not found",
  "Insufficient credit",
  "Amount mismatch",
  "Currency mismatch",
]);

/** A decline reason a merchant may see: those of the payment network's contract, else a general one. */
export function shownDeclineReason(fromBank: string | undefined): string {
  return fromBank !== undefined && knownDeclineReasons.has(fromBank) ? fromBank : "Declined by the bank";
}
