/** A shop and what it takes, in minor units. `category` is the provider's own word, or words. */
export interface Shop<Category> {
  readonly merchant: string;
  readonly category: Category;
  readonly min: number;
  readonly max: number;
}

/** Something on a statement that is no purchase. */
export interface Item<Category> {
  readonly description: string;
  readonly category: Category;
  /** Whom the money goes to, where it is a company people know. */
  readonly merchant?: string;
}

/** A bill on a day of each month (1 to 28), of `min` to `max` minor units. */
export interface Bill<Category> extends Item<Category> {
  readonly day: number;
  readonly min: number;
  readonly max: number;
}

/** What people of one country have on their statements; each sandbox has its own, in its provider's categories. */
export interface Town<Category> {
  /** On the 25th. */
  readonly pay: Item<Category>;
  /** On the 1st. */
  readonly rent: Item<Category>;
  readonly bills: readonly Bill<Category>[];
  /** From the current account to savings, on the 3rd. */
  readonly savedOut: Item<Category>;
  readonly savedIn: Item<Category>;
  readonly interest: Item<Category>;
  /** The card's balance, paid in full from the current account on the 18th. */
  readonly cardPaidOut: Item<Category>;
  readonly cardPaidIn: Item<Category>;
  /** What piles up goes to a reserve elsewhere, and comes back when the account runs low. */
  readonly reserveOut: Item<Category>;
  readonly reserveIn: Item<Category>;
  /** Bought from the current account. */
  readonly everyday: readonly [Shop<Category>, ...Shop<Category>[]];
  /** Bought by card. */
  readonly wishes: readonly [Shop<Category>, ...Shop<Category>[]];
}

/** What an account is to its owner. */
export type AccountKind = "current" | "savings" | "card";

/** An account whose statement can be made. */
export interface StatementAccount {
  /** Seeds its lines and begins their keys: the same id, the same statement. */
  readonly accountId: string;
  readonly kind: AccountKind;
  /** Of its owner, minor units a month. */
  readonly payMinor: bigint;
  readonly rentMinor: bigint;
  /** Of the card the owner pays from this current account. */
  readonly cardId: string | null;
}
