import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { bankDisplayName } from "../clients/bank-directory.ts";
import { makeDefaultCard, takeCardOut } from "../flows/manage-cards.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { type Card, findActiveCard, listActiveCards } from "../storage/cards-store.ts";
import { userIdOf } from "./callers.ts";

type CardHandlers = Pick<
  Handlers<typeof Wallet>,
  "listCards" | "getCard" | "setDefaultCard" | "setDefaultCardOnWeb" | "removeCard" | "removeCardOnWeb"
>;

/** Cards, for phones and browsers. */
export function cardHandlers(deps: WalletDeps): CardHandlers {
  const setDefaultCard = async ({ cardId }: { readonly cardId: string }, ctx: CallContext) => {
    await makeDefaultCard(deps, { userId: userIdOf(ctx), cardId });
    return { success: true, cardId };
  };
  const removeCard = async ({ cardId }: { readonly cardId: string }, ctx: CallContext) => {
    await takeCardOut(deps, { userId: userIdOf(ctx), cardId });
    return { success: true, cardId };
  };
  return {
    listCards: async (_request, ctx) => {
      const cards = await listActiveCards(deps.db.query, userIdOf(ctx));
      return { cards: cards.map((card) => cardFields(deps, card)) };
    },
    getCard: async ({ cardId }, ctx) => {
      const card = isUuid(cardId) ? await findActiveCard(deps.db.query, userIdOf(ctx), cardId) : undefined;
      if (card === undefined) throw new DomainError("NOT_FOUND");
      return { ...cardFields(deps, card), isActive: true };
    },
    setDefaultCard,
    setDefaultCardOnWeb: setDefaultCard,
    removeCard,
    removeCardOnWeb: removeCard,
  };
}

function cardFields(deps: Pick<WalletDeps, "directory">, card: Card) {
  return {
    id: card.cardId,
    cardType: card.cardType,
    lastFour: card.lastFour,
    cardholderName: card.cardHolder,
    expiryMonth: card.expiryMonth,
    expiryYear: card.expiryYear,
    bsimId: card.bsimId,
    bankName: bankDisplayName(deps.directory, card.bsimId),
    isDefault: card.isDefault,
    addedAt: card.addedAt.toISOString(),
    walletCardToken: card.walletCardToken,
  };
}
