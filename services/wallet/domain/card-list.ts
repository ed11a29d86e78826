/** A card as its bank lists it. */
export interface ListedCard {
  readonly cardRef: string;
  readonly cardType: string;
  readonly cardHolder: string;
  readonly lastFour: string;
  readonly expiryMonth: number;
  readonly expiryYear: number;
}

/** A card of this user and bank as stored, removed ones included. */
export interface KnownCard {
  readonly cardId: string;
  readonly cardRef: string;
  readonly state: "active" | "inactive" | "removed";
}

/** What a fresh list from the bank changes. */
export interface CardListPlan {
  /** Known cards on the list: details replaced, active again, id and token kept. */
  readonly refresh: ReadonlyArray<{ readonly cardId: string; readonly listed: ListedCard }>;
  readonly add: readonly ListedCard[];
  /** Ids of active cards that the bank no longer shares. */
  readonly deactivate: readonly string[];
}

/**
 * Compares a list the user has just consented to with the cards known of that bank. Cards are matched by the bank's own
 * reference; a card listed twice counts once, as first listed.
 */
export function planCardList(known: readonly KnownCard[], listed: readonly ListedCard[]): CardListPlan {
  const byRef = new Map<string, ListedCard>();
  for (const card of listed) if (!byRef.has(card.cardRef)) byRef.set(card.cardRef, card);
  const knownRefs = new Set(known.map((card) => card.cardRef));
  return {
    refresh: known.flatMap((card) => {
      const now = byRef.get(card.cardRef);
      return now === undefined ? [] : [{ cardId: card.cardId, listed: now }];
    }),
    add: [...byRef.values()].filter((card) => !knownRefs.has(card.cardRef)),
    deactivate: known.filter((card) => card.state === "active" && !byRef.has(card.cardRef)).map((card) => card.cardId),
  };
}
