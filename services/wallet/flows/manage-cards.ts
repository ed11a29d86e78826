import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { ensureDefaultCard, lockUser, removeCard, setDefaultCard, wasCardRemoved } from "../storage/cards-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

interface CardOfUser {
  readonly userId: string;
  readonly cardId: string;
}

/** Makes a card the default. Throws `NOT_FOUND` for a card the user does not have. */
export async function makeDefaultCard(deps: Pick<WalletDeps, "clock" | "db">, card: CardOfUser): Promise<void> {
  if (!isUuid(card.cardId)) throw new DomainError("NOT_FOUND");
  await inTransaction(deps.db, async (tx) => {
    await lockUser(tx, card.userId);
    if (!(await setDefaultCard(tx, { ...card, now: deps.clock.now() }))) throw new DomainError("NOT_FOUND");
  });
}

/**
 * Takes a card out of the wallet; the newest one left becomes default if it was. The bank goes on sharing it, so a new
 * enrolment brings it back. A repeat succeeds. Throws `NOT_FOUND` for a card the user never had.
 */
export async function takeCardOut(deps: Pick<WalletDeps, "clock" | "db">, card: CardOfUser): Promise<void> {
  if (!isUuid(card.cardId)) throw new DomainError("NOT_FOUND");
  await inTransaction(deps.db, async (tx) => {
    await lockUser(tx, card.userId);
    const now = deps.clock.now();
    if (await removeCard(tx, { ...card, now })) {
      await ensureDefaultCard(tx, { userId: card.userId, preferredCardId: undefined, now });
    } else if (!(await wasCardRemoved(tx, card.userId, card.cardId))) {
      throw new DomainError("NOT_FOUND");
    }
  });
}
