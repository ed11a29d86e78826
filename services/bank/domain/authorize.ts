import { authorizationLifeMs } from "./authorization.ts";

/** Why an authorization is declined: the texts of `declineReason`. */
export type DeclineReason =
  | "Invalid card token"
  | "Consent revoked"
  | "Consent expired"
  | "Merchant mismatch"
  | "Amount mismatch"
  | "Amount exceeds consent limit"
  | "Currency mismatch"
  | "Card not found"
  | "Insufficient credit"
  | "Authorization voided";

/** What the payment network asks for. `tokenRef` is undefined when the card token could not be read or verified. */
export interface AuthorizeRequest {
  readonly tokenRef: string | undefined;
  readonly merchantId: string;
  readonly amountMinor: bigint;
  readonly currency: string;
}

/** A card token as stored. Null members are unbound: whatever is asked first is taken. */
export interface CardToken {
  readonly tokenRef: string;
  readonly kind: "wallet" | "consent";
  readonly cardId: string;
  readonly customerId: string;
  readonly merchantId: string | null;
  /** A wallet token's exact amount, a consent's upper limit; minor units. */
  readonly amountMinor: bigint | null;
  readonly currency: string | null;
  readonly expiresAt: Date;
  readonly consumedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** A card as the decision needs it, read at one moment with its token. Minor units. */
export interface CreditCard {
  readonly cardId: string;
  readonly customerId: string;
  readonly status: "active" | "inactive" | "closed";
  readonly currency: string;
  readonly creditLimitMinor: bigint;
  readonly owedMinor: bigint;
  readonly heldMinor: bigint;
  /** The part of `heldMinor` whose time is over but that is not booked as expired yet. */
  readonly lapsedMinor: bigint;
}

/** The answer to one request. `availableMinor` is the card's credit after an approval; undefined on a decline. */
export interface AuthorizeDecision {
  readonly declineReason: DeclineReason | undefined;
  readonly cardId: string | undefined;
  readonly availableMinor: bigint | undefined;
  /** The token this answer uses up, approved or not. */
  readonly consumes: string | undefined;
  readonly expiresAt: Date;
}

/** The credit left on a card, in minor units; below zero when more is owed than the limit. */
export function availableCreditMinor(card: CreditCard): bigint {
  return card.creditLimitMinor - card.owedMinor - (card.heldMinor - card.lapsedMinor);
}

/** Whether the token may still be used at all: the test of `validate-token`. */
export function tokenRefusal(token: CardToken | undefined, now: Date): DeclineReason | undefined {
  if (token === undefined || token.consumedAt !== null) return "Invalid card token";
  if (token.revokedAt !== null) return "Consent revoked";
  if (token.expiresAt.getTime() <= now.getTime()) {
    return token.kind === "consent" ? "Consent expired" : "Invalid card token";
  }
  return undefined;
}

/**
 * Answers requests one after the other, each seeing what those before it consumed and held. Tokens and cards are what was
 * read at one moment, and what is decided may stand only while those it changes are as they were; one that is missing was not found.
 */
export function decideAuthorizations(
  requests: readonly AuthorizeRequest[],
  tokens: ReadonlyMap<string, CardToken>,
  cards: ReadonlyMap<string, CreditCard>,
  now: Date,
): AuthorizeDecision[] {
  const consumed = new Set<string>();
  const heldMinor = new Map<string, bigint>();
  const expiresAt = new Date(now.getTime() + authorizationLifeMs);
  return requests.map((request) => {
    const found = request.tokenRef === undefined ? undefined : tokens.get(request.tokenRef);
    const token = found !== undefined && consumed.has(found.tokenRef) ? undefined : found;
    const card = token === undefined ? undefined : cards.get(token.cardId);
    const availableMinor =
      card === undefined ? undefined : availableCreditMinor(card) - (heldMinor.get(card.cardId) ?? 0n);
    const declineReason = decline(request, token, card, availableMinor, now);
    const consumes = token?.consumedAt === null ? token.tokenRef : undefined;
    if (consumes !== undefined) consumed.add(consumes);
    const cardId = card?.cardId;
    if (declineReason !== undefined || cardId === undefined || availableMinor === undefined) {
      const reason = declineReason ?? "Card not found";
      return { declineReason: reason, cardId, availableMinor: undefined, consumes, expiresAt };
    }
    heldMinor.set(cardId, (heldMinor.get(cardId) ?? 0n) + request.amountMinor);
    return { declineReason, cardId, availableMinor: availableMinor - request.amountMinor, consumes, expiresAt };
  });
}

function decline(
  request: AuthorizeRequest,
  token: CardToken | undefined,
  card: CreditCard | undefined,
  availableMinor: bigint | undefined,
  now: Date,
): DeclineReason | undefined {
  const refusal = tokenRefusal(token, now);
  if (refusal !== undefined || token === undefined) return refusal ?? "Invalid card token";
  if (token.merchantId !== null && token.merchantId !== request.merchantId) return "Merchant mismatch";
  if (token.currency !== null && token.currency !== request.currency) return "Currency mismatch";
  if (token.amountMinor !== null) {
    if (token.kind === "wallet" && request.amountMinor !== token.amountMinor) return "Amount mismatch";
    if (token.kind === "consent" && request.amountMinor > token.amountMinor) return "Amount exceeds consent limit";
  }
  if (card === undefined || card.status !== "active" || card.customerId !== token.customerId) return "Card not found";
  if (card.currency !== request.currency) return "Currency mismatch";
  if (availableMinor === undefined || availableMinor < request.amountMinor) return "Insufficient credit";
  return undefined;
}
