import type { OidcTables } from "../../platform/oidc/storage/oidc-record-store.ts";
import type { CardTokensTable, MoneyTables } from "./tables.ts";

/** `consents`: what a customer allowed a client to do. */
export interface ConsentsTable {
  id: string;
  grant_id: string;
  customer_id: string;
  client_id: string;
  scopes: string[];
  card_ids: string[];
  account_ids: string[];
  limit_minor: bigint | null;
  currency: string | null;
  remembered: boolean;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
}

/** `wallet_credentials`: what wallets present, by hash. */
export interface WalletCredentialsTable {
  id: string;
  grant_id: string;
  generation: number;
  customer_id: string;
  client_id: string;
  wallet_name: string;
  scopes: string[];
  card_ids: string[];
  credential_hash: Buffer;
  issued_at: Date;
  expires_at: Date;
  last_used_at: Date | null;
  revoked_at: Date | null;
  revoked_why: "by_wallet" | "by_customer" | "grant_ended" | "superseded" | null;
}

/** The tables of the bank's identity side, those of the money side it reads among them. */
export interface IdentityTables extends Omit<MoneyTables, "card_tokens">, OidcTables {
  card_tokens: CardTokensTable & { grant_id: string | null };
  consents: ConsentsTable;
  wallet_credentials: WalletCredentialsTable;
}
