import { DomainError } from "../../platform/errors/domain-error.ts";
import { type CardToken, ConnectionError, type OutgoingCall } from "../clients/credential-connections.ts";
import { type Card, findActiveCard } from "../storage/cards-store.ts";
import { findEnrolment } from "../storage/enrolments-store.ts";
import { noteReauth } from "./list-accounts.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** A payment a card token is wanted for. `merchantId` is the id the merchant uses at the Router. */
export interface CardTokenRequest {
  readonly userId: string;
  readonly cardId: string;
  readonly merchantId: string;
  readonly merchantName: string;
  readonly amountMinor: bigint;
  readonly currency: string;
}

/** The token with the card it is for, whose `walletCardToken` routes the payment. */
export interface IssuedCardToken extends CardToken {
  readonly card: Card;
  readonly connectionId: string;
}

/**
 * Asks the card's bank for a single-use token bound to this payment; the bank is given its own card reference. Throws
 * `CARD_NOT_FOUND` for a card the user does not have, `REENROLMENT_REQUIRED` when the bank wants the user's consent again,
 * `CARD_TOKEN_ERROR` for anything else that went wrong there.
 */
export async function requestCardToken(
  deps: WalletDeps,
  request: CardTokenRequest,
  call: OutgoingCall,
): Promise<IssuedCardToken> {
  const { userId, cardId, merchantId, merchantName, amountMinor, currency } = request;
  const card = await findActiveCard(deps.db.query, userId, cardId);
  const enrolment = card && (await findEnrolment(deps.db.query, userId, card.enrolmentId));
  if (card === undefined || enrolment === undefined) throw new DomainError("CARD_NOT_FOUND");
  const { connectionId } = enrolment;
  try {
    const token = await deps.credential.requestCardToken(
      { userId, connectionId, cardRef: card.cardRef, merchantId, merchantName, amountMinor, currency },
      call,
    );
    return { ...token, card, connectionId };
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    if (error.kind !== "needs_user") throw new DomainError("CARD_TOKEN_ERROR", {}, { cause: error });
    await noteReauth(deps, enrolment, "revoked");
    throw new DomainError("REENROLMENT_REQUIRED", { bsimId: card.bsimId }, { cause: error });
  }
}
