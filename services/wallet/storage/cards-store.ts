import type { KnownCard, ListedCard } from "../domain/card-list.ts";
import type { Executor } from "./tables.ts";
import { lockUserById } from "./users-store.ts";

/** Cards of one wallet, at most this many are listed. */
export const cardsListedMax = 200;

/** An active card. */
export interface Card {
  readonly cardId: string;
  readonly enrolmentId: string;
  readonly bsimId: string;
  /** For the card's bank alone. */
  readonly cardRef: string;
  readonly cardType: string;
  readonly cardHolder: string;
  readonly lastFour: string;
  readonly expiryMonth: number;
  readonly expiryYear: number;
  readonly walletCardToken: string;
  readonly isDefault: boolean;
  readonly addedAt: Date;
}

const columns = [
  "card_id as cardId",
  "enrolment_id as enrolmentId",
  "bsim_id as bsimId",
  "card_ref as cardRef",
  "card_type as cardType",
  "card_holder as cardHolder",
  "last_four as lastFour",
  "expiry_month as expiryMonth",
  "expiry_year as expiryYear",
  "wallet_card_token as walletCardToken",
  "is_default as isDefault",
  "added_at as addedAt",
] as const;

/** A user's active cards, default first, then newest. */
export async function listActiveCards(db: Executor, userId: string): Promise<Card[]> {
  return await db
    .selectFrom("cards")
    .select(columns)
    .where("user_id", "=", userId)
    .where("state", "=", "active")
    .orderBy("is_default", "desc")
    .orderBy("added_at", "desc")
    .orderBy("card_id", "desc")
    .limit(cardsListedMax)
    .execute();
}

/** One active card of the user; another user's is not found. */
export async function findActiveCard(db: Executor, userId: string, cardId: string): Promise<Card | undefined> {
  return await db
    .selectFrom("cards")
    .select(columns)
    .where("user_id", "=", userId)
    .where("card_id", "=", cardId)
    .where("state", "=", "active")
    .executeTakeFirst();
}

/**
 * Holds the user's row until the transaction ends. Everything that moves cards or the default takes it first, so that two
 * of them never leave a wallet with two defaults or none. False when there is no such user.
 */
export async function lockUser(db: Executor, userId: string): Promise<boolean> {
  return (await lockUserById(db, userId)) !== undefined;
}

/** All cards of a user at one bank, whatever their state. */
export async function listKnownCards(db: Executor, userId: string, bsimId: string): Promise<KnownCard[]> {
  const rows = await db
    .selectFrom("cards")
    .select(["card_id as cardId", "card_ref as cardRef", "state"])
    .where("user_id", "=", userId)
    .where("bsim_id", "=", bsimId)
    .execute();
  // The table's check constraint allows these three states alone.
  return rows.map((row) => ({ ...row, state: row.state as KnownCard["state"] }));
}

export interface CardChange {
  readonly userId: string;
  readonly enrolmentId: string;
  readonly now: Date;
}

/** Brings a known card up to date and makes it active again; its id and token stay. */
export async function refreshCard(
  db: Executor,
  change: CardChange & { readonly cardId: string; readonly listed: ListedCard },
): Promise<void> {
  await db
    .updateTable("cards")
    .set({ ...detailColumns(change.listed), enrolment_id: change.enrolmentId, state: "active", updated_at: change.now })
    .where("user_id", "=", change.userId)
    .where("card_id", "=", change.cardId)
    .execute();
}

/** Stores a new card; false when its walletCardToken is taken, which asks for another one. */
export async function insertCard(
  db: Executor,
  card: CardChange & {
    readonly cardId: string;
    readonly bsimId: string;
    readonly walletCardToken: string;
    readonly listed: ListedCard;
  },
): Promise<boolean> {
  const row = await db
    .insertInto("cards")
    .values({
      ...detailColumns(card.listed),
      user_id: card.userId,
      card_id: card.cardId,
      enrolment_id: card.enrolmentId,
      bsim_id: card.bsimId,
      card_ref: card.listed.cardRef,
      wallet_card_token: card.walletCardToken,
      state: "active",
      added_at: card.now,
      updated_at: card.now,
    })
    .onConflict((conflict) => conflict.column("wallet_card_token").doNothing())
    .returning("card_id")
    .executeTakeFirst();
  return row !== undefined;
}

function detailColumns(listed: ListedCard) {
  return {
    card_type: listed.cardType,
    card_holder: listed.cardHolder,
    last_four: listed.lastFour,
    expiry_month: listed.expiryMonth,
    expiry_year: listed.expiryYear,
  };
}

/** Takes cards out of use because their bank no longer shares them. */
export async function deactivateCards(
  db: Executor,
  change: { readonly userId: string; readonly cardIds: readonly string[]; readonly now: Date },
): Promise<void> {
  if (change.cardIds.length === 0) return;
  await db
    .updateTable("cards")
    .set({ state: "inactive", is_default: false, updated_at: change.now })
    .where("user_id", "=", change.userId)
    .where("card_id", "in", [...change.cardIds])
    .execute();
}

/** Removes one active card; false when the user has no such card. */
export async function removeCard(
  db: Executor,
  change: { readonly userId: string; readonly cardId: string; readonly now: Date },
): Promise<boolean> {
  const result = await db
    .updateTable("cards")
    .set({ state: "removed", is_default: false, updated_at: change.now })
    .where("user_id", "=", change.userId)
    .where("card_id", "=", change.cardId)
    .where("state", "=", "active")
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Whether the user had this card and took it out: tells a repeat from a mistake. */
export async function wasCardRemoved(db: Executor, userId: string, cardId: string): Promise<boolean> {
  const row = await db
    .selectFrom("cards")
    .select("card_id")
    .where("user_id", "=", userId)
    .where("card_id", "=", cardId)
    .where("state", "=", "removed")
    .executeTakeFirst();
  return row !== undefined;
}

/** Removes the cards of an enrolment; returns how many were active. */
export async function removeCardsOfEnrolment(db: Executor, change: CardChange): Promise<number> {
  const result = await db
    .updateTable("cards")
    .set({ state: "removed", is_default: false, updated_at: change.now })
    .where("user_id", "=", change.userId)
    .where("enrolment_id", "=", change.enrolmentId)
    .where("state", "=", "active")
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

/** Makes one active card the default in place of any other; false when the user has no such card. */
export async function setDefaultCard(
  db: Executor,
  change: { readonly userId: string; readonly cardId: string; readonly now: Date },
): Promise<boolean> {
  const found = await findActiveCard(db, change.userId, change.cardId);
  if (found === undefined) return false;
  await db
    .updateTable("cards")
    .set({ is_default: false, updated_at: change.now })
    .where("user_id", "=", change.userId)
    .where("is_default", "=", true)
    .where("card_id", "!=", change.cardId)
    .execute();
  await db
    .updateTable("cards")
    .set({ is_default: true, updated_at: change.now })
    .where("user_id", "=", change.userId)
    .where("card_id", "=", change.cardId)
    .execute();
  return true;
}

/** Gives a wallet that has active cards and no default one: the preferred card, else the newest. */
export async function ensureDefaultCard(
  db: Executor,
  change: { readonly userId: string; readonly preferredCardId: string | undefined; readonly now: Date },
): Promise<void> {
  const cards = await listActiveCards(db, change.userId);
  if (cards.length === 0 || cards.some((card) => card.isDefault)) return;
  const chosen = cards.find((card) => card.cardId === change.preferredCardId) ?? cards[0];
  if (chosen !== undefined) await setDefaultCard(db, { userId: change.userId, cardId: chosen.cardId, now: change.now });
}
