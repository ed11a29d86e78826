/** What the Data API reads. */
export type Resource = keyof typeof resources;

/** Route below `/data/v1`, and the permission that opens it (none for the connection itself). */
export const resources = {
  me: { route: "/me", scope: null },
  info: { route: "/info", scope: "info" },
  accounts: { route: "/accounts", scope: "accounts" },
  account: { route: "/accounts/:accountId", scope: "accounts" },
  account_balance: { route: "/accounts/:accountId/balance", scope: "balance" },
  account_transactions: { route: "/accounts/:accountId/transactions", scope: "transactions" },
  account_pending: { route: "/accounts/:accountId/transactions/pending", scope: "transactions" },
  cards: { route: "/cards", scope: "cards" },
  card: { route: "/cards/:accountId", scope: "cards" },
  card_balance: { route: "/cards/:accountId/balance", scope: "balance" },
  card_transactions: { route: "/cards/:accountId/transactions", scope: "transactions" },
  card_pending: { route: "/cards/:accountId/transactions/pending", scope: "transactions" },
} as const satisfies Record<string, { route: string; scope: string | null }>;

/** Every resource, in the order of the list above. */
export const resourceNames = Object.keys(resources) as readonly Resource[]; // keys of the constant above
