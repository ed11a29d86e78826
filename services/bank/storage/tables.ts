import type { ColumnType, Generated } from "kysely";
import type { AuthorizationState } from "../domain/authorization.ts";
import type { EntryKind } from "../domain/journal.ts";

/** A timestamp with a default: a Date when read, may be left out when written. */
type DefaultedTime = ColumnType<Date, Date | undefined, Date>;
type JsonColumn = ColumnType<unknown, string, string>;

/** `customers`: the bank's people. */
export interface CustomersTable {
  id: string;
  fi_user_ref: string;
  email: string;
  password_hash: string;
  display_name: string;
  locale: Generated<string>;
  created_at: DefaultedTime;
  updated_at: DefaultedTime;
}

/** `cards`: credit cards, amounts in minor units. */
export interface CardsTable {
  id: string;
  customer_id: string;
  brand: "VISA" | "MC" | "AMEX" | "DISCOVER";
  last_four: string;
  holder: string;
  expiry_month: number;
  expiry_year: number;
  status: Generated<"active" | "inactive" | "closed">;
  currency: Generated<string>;
  credit_limit_minor: bigint;
  owed_minor: Generated<bigint>;
  held_minor: Generated<bigint>;
  created_at: DefaultedTime;
  updated_at: DefaultedTime;
}

/** `accounts`: deposit accounts, amounts in minor units. */
export interface AccountsTable {
  id: string;
  customer_id: string;
  kind: "CHEQUING" | "SAVINGS";
  name: string;
  masked_number: string;
  currency: Generated<string>;
  status: Generated<"OPEN" | "CLOSED">;
  balance_minor: Generated<bigint>;
  /** A date without time; written as `YYYY-MM-DD`. */
  opened_on: ColumnType<Date, string, string>;
  created_at: DefaultedTime;
  updated_at: DefaultedTime;
}

/** `ledger_accounts`: one per card, per deposit account, and the bank's own. */
export interface LedgerAccountsTable {
  id: Generated<string>;
  kind: "card_receivable" | "deposit" | "settlement" | "interchange_income" | "clearing";
  card_id: string | null;
  account_id: string | null;
  currency: string;
}

/** `journal_entries`: append-only. */
export interface JournalEntriesTable {
  id: string;
  kind: EntryKind;
  authorization_id: string | null;
  description: string;
  posted_at: Date;
}

/** `postings`: append-only, debits positive. */
export interface PostingsTable {
  entry_id: string;
  line: number;
  ledger_account_id: string;
  amount_minor: bigint;
  posted_at: Date;
  balance_after_minor: bigint | null;
}

/** `authorizations`: one row per authorize answered, and tombstones. */
export interface AuthorizationsTable {
  id: string;
  authorization_code: string | null;
  state: AuthorizationState;
  card_id: string | null;
  token_ref: string | null;
  merchant_id: string;
  merchant_name: string | null;
  order_id: string;
  description: string | null;
  currency: string;
  amount_minor: bigint;
  captured_minor: Generated<bigint>;
  refunded_minor: Generated<bigint>;
  decline_reason: string | null;
  available_after_minor: bigint | null;
  idempotency_key: string | null;
  request_hash: Buffer | null;
  created_at: Date;
  expires_at: Date;
  closed_at: Date | null;
}

/** `payment_operations`: first answers of capture, void and refund. */
export interface PaymentOperationsTable {
  operation: "capture" | "void" | "refund";
  idempotency_key: string;
  request_hash: Buffer;
  answer: JsonColumn | null;
  created_at: Date;
}

/** `oauth_clients`: who may use the bank's OIDC server. */
export interface OauthClientsTable {
  client_id: string;
  client_name: string;
  secret_hash: Buffer | null;
  redirect_uris: string[];
  scopes: string[];
  grant_types: string[];
  post_logout_redirect_uris: Generated<string[]>;
  merchant_id: string | null;
  active: Generated<boolean>;
  created_at: DefaultedTime;
  updated_at: DefaultedTime;
}

/** `card_tokens`: single-use permissions to authorize one payment. */
export interface CardTokensTable {
  token_ref: string;
  kind: "wallet" | "consent";
  card_id: string;
  customer_id: string;
  credential_id: string | null;
  merchant_id: string | null;
  amount_minor: bigint | null;
  currency: string | null;
  expires_at: Date;
  consumed_at: Date | null;
  revoked_at: Date | null;
  created_at: DefaultedTime;
}

/** The tables of the bank's money side. */
export interface MoneyTables {
  customers: CustomersTable;
  cards: CardsTable;
  accounts: AccountsTable;
  ledger_accounts: LedgerAccountsTable;
  journal_entries: JournalEntriesTable;
  postings: PostingsTable;
  authorizations: AuthorizationsTable;
  payment_operations: PaymentOperationsTable;
  oauth_clients: OauthClientsTable;
  card_tokens: CardTokensTable;
}
