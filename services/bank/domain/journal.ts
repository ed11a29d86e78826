/** Accounts an entry may touch: a card's or a deposit account's by its id, or one of the bank's own by kind. */
export type LedgerTarget =
  | { readonly kind: "card_receivable"; readonly cardId: string }
  | { readonly kind: "deposit"; readonly accountId: string }
  | { readonly kind: "settlement" | "interchange_income" | "clearing" };

/** One line of an entry; debits positive, credits negative, in minor units. */
export interface Posting {
  readonly target: LedgerTarget;
  readonly amountMinor: bigint;
}

/** What kind of event an entry records. */
export type EntryKind = "capture" | "refund" | "transfer" | "deposit" | "withdrawal" | "card_payment";

/** An entry whose postings sum to zero. */
export interface JournalEntry {
  readonly kind: EntryKind;
  readonly description: string;
  readonly postings: readonly Posting[];
}

/** Makes an entry of the postings that are not zero; throws when they do not balance, which is a fault of ours. */
export function journalEntry(kind: EntryKind, description: string, postings: readonly Posting[]): JournalEntry {
  const lines = postings.filter((posting) => posting.amountMinor !== 0n);
  const sum = lines.reduce((total, posting) => total + posting.amountMinor, 0n);
  if (sum !== 0n || lines.length < 2) throw new Error(`unbalanced ${kind} entry: ${lines.length} postings, sum ${sum}`);
  return { kind, description, postings: lines };
}

/**
 * The entry of a card payment: the customer owes the amount, the network gets it less interchange, the bank keeps that.
 * A refund is the same with negative amounts.
 */
export function cardPaymentEntry(payment: {
  readonly kind: "capture" | "refund";
  readonly cardId: string;
  readonly description: string;
  readonly owedMinor: bigint;
  readonly interchangeMinor: bigint;
}): JournalEntry {
  return journalEntry(payment.kind, payment.description, [
    { target: { kind: "card_receivable", cardId: payment.cardId }, amountMinor: payment.owedMinor },
    { target: { kind: "settlement" }, amountMinor: payment.interchangeMinor - payment.owedMinor },
    { target: { kind: "interchange_income" }, amountMinor: -payment.interchangeMinor },
  ]);
}
