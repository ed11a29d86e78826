import type { Transaction } from "../../platform/db/transaction.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { randomHex } from "../../platform/secrets/random-token.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";
import { type ListedCard, planCardList } from "../domain/card-list.ts";
import { walletCardToken } from "../domain/wallet-card-token.ts";
import {
  deactivateCards,
  ensureDefaultCard,
  insertCard,
  listKnownCards,
  lockUser,
  refreshCard,
} from "../storage/cards-store.ts";
import { findEnrolment } from "../storage/enrolments-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The job that asks for the cards of a consent again; payload `{userId, enrolmentId}`. */
export const syncCardsTask = "sync_cards";

const cardTokenTriesMax = 5;

/** A card list the user has consented to. */
export interface ConsentedCards {
  readonly userId: string;
  readonly enrolmentId: string;
  readonly bsimId: string;
  readonly cards: readonly ListedCard[];
}

/**
 * Brings an enrolment's cards in line with the bank's list, in a transaction that holds the user's row: known cards keep id
 * and token, those no longer listed become inactive, a wallet without a default gets one.
 */
export async function storeCards(
  deps: Pick<WalletDeps, "clock">,
  tx: Transaction<WalletTables>,
  given: ConsentedCards,
): Promise<void> {
  const { userId, enrolmentId, bsimId } = given;
  const now = deps.clock.now();
  const plan = planCardList(await listKnownCards(tx, userId, bsimId), given.cards);
  await deactivateCards(tx, { userId, cardIds: plan.deactivate, now });
  for (const { cardId, listed } of plan.refresh) await refreshCard(tx, { userId, enrolmentId, cardId, listed, now });
  const added: string[] = [];
  for (const listed of plan.add) {
    const cardId = uuidv7(now.getTime());
    await insertWithToken(tx, { userId, enrolmentId, bsimId, cardId, listed, now });
    added.push(cardId);
  }
  // The bank lists the person's main card first.
  await ensureDefaultCard(tx, { userId, preferredCardId: plan.refresh[0]?.cardId ?? added[0], now });
}

/** Asks for the cards of an enrolment whose bank did not answer when the consent was stored. Rejects until it does. */
export async function syncCards(
  deps: WalletDeps,
  by: { readonly userId: string; readonly enrolmentId: string },
  call: OutgoingCall,
): Promise<void> {
  const { userId, enrolmentId } = by;
  const enrolment = await findEnrolment(deps.db.query, userId, enrolmentId);
  if (enrolment?.state !== "active") return;
  const { connectionId, bsimId } = enrolment;
  const cards = await deps.credential.listCards({ userId, connectionId }, call);
  await inTransaction(deps.db, async (tx) => {
    await lockUser(tx, userId);
    const present = await findEnrolment(tx, userId, enrolmentId);
    // Removed or enrolled anew while the bank was asked: this list is of no use then.
    if (present?.state !== "active" || present.connectionId !== connectionId) return;
    await storeCards(deps, tx, { userId, enrolmentId, bsimId, cards });
  });
}

/** 48 random bits are unlikely to be taken, and then others are tried. */
async function insertWithToken(
  tx: Transaction<WalletTables>,
  card: Omit<Parameters<typeof insertCard>[1], "walletCardToken">,
): Promise<void> {
  for (let attempt = 1; attempt <= cardTokenTriesMax; attempt += 1) {
    const token = walletCardToken(card.bsimId, randomHex(6));
    if (await insertCard(tx, { ...card, walletCardToken: token })) return;
  }
  throw new Error("no free walletCardToken found");
}
