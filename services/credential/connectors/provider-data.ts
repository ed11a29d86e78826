/** Somewhere a user has accounts. */
export interface Institution {
  readonly institutionId: string;
  readonly name: string;
  readonly logoUrl?: string | undefined;
  /** ISO 3166-1 alpha-2, upper case; empty when the provider does not say. */
  readonly countries: readonly string[];
}

/** An account, in minor units of its currency: one shape for every provider. */
export interface ProviderAccount {
  /** Unique within the connection. */
  readonly accountId: string;
  /** As the institution says, such as `CHECKING`; empty when it does not. */
  readonly accountType: string;
  readonly displayName: string;
  /** `****1234`; empty when the provider shows no digits. */
  readonly maskedNumber: string;
  /** ISO 4217. */
  readonly currency: string;
  /** What is there; for a card or a loan what is owed, as a negative amount. Undefined when the provider did not tell it. */
  readonly balanceMinor: bigint | undefined;
  readonly availableMinor: bigint | undefined;
  /** When the balance was true; undefined when the provider does not say. */
  readonly asOf: Date | undefined;
}

/** A movement on an account: one shape and one sign for every provider. */
export interface ProviderTransaction {
  /** Unique within the connection, and the same at every page that tells of it. */
  readonly transactionId: string;
  readonly accountId: string;
  /** Negative is money that left the account, at every provider and kind of account. */
  readonly amountMinor: bigint;
  /** ISO 4217. */
  readonly currency: string;
  readonly description: string;
  readonly status: "pending" | "posted";
  /** When it was booked; for a pending one when it was made. A day without a time is its midnight in UTC. */
  readonly postedAt: Date;
  readonly transactedAt?: Date | undefined;
  readonly category?: string | undefined;
  /** Which pending transaction this one replaces. */
  readonly pendingTransactionId?: string | undefined;
}

/** What changed since a cursor. */
export interface TransactionPage {
  readonly added: readonly ProviderTransaction[];
  readonly changed: readonly ProviderTransaction[];
  /** Ids of transactions that are gone, or were never true. */
  readonly removed: readonly string[];
  /** Where the next page, or the next run, begins. */
  readonly nextCursor: string;
  readonly hasMore: boolean;
  /**
   * Begin again: from the cursor this run began with, since the data moved while it was paged, or from the beginning, since the
   * provider no longer knows the cursor. Nothing else of the page counts then.
   */
  readonly restart?: "run" | "beginning" | undefined;
}
