import type { Generated, JSONColumnType } from "kysely";
import type { KitTables } from "../../kit/storage/kit-tables.ts";
import type { ItemState, UpdateStatus } from "../domain/item.ts";
import type { LinkRequest } from "../domain/link-request.ts";

/** The sandbox's tables, as the migrations make them. */
export interface PlaidTables extends KitTables {
  items: ItemRow;
  item_transactions: TransactionRow;
  public_tokens: { token_hash: Buffer; item_id: string; expires_at: Date; used_at: Date | null };
  link_tokens: LinkRow;
}

/** A row of `items`. Days are text in UTC. */
export interface ItemRow {
  item_id: string;
  institution_id: string;
  username: string;
  account_keys: string[];
  products: string[];
  webhook: string | null;
  state: ItemState;
  access_token_hash: Buffer | null;
  sealed_access_token: Buffer | null;
  consent_expires_at: Date | null;
  expiration_noticed: Generated<boolean>;
  update_status: UpdateStatus;
  update_due_at: Date;
  refresh_due_at: Date | null;
  refresh_count: Generated<number>;
  fed_through: string;
  synced: Generated<boolean>;
  change_count: Generated<bigint>;
  mutate_next_page: Generated<boolean>;
  last_webhook_at: Date | null;
  last_webhook_code: string | null;
  last_update_at: Date | null;
  created_at: Date;
}

/** A statement's line as it lies in `item_transactions.entry`. */
export interface StoredEntry {
  readonly key: string;
  readonly name: string;
  readonly merchant: string | null;
  readonly primary: string;
  readonly detailed: string;
  readonly channel: "online" | "in store" | "other";
}

interface TransactionRow {
  item_id: string;
  transaction_id: string;
  account_key: string;
  entry: JSONColumnType<StoredEntry>;
  minor: bigint;
  day: string;
  posted_day: string;
  pending: boolean;
  pending_transaction_id: string | null;
  added_change: bigint | null;
  last_change: bigint | null;
  removed: Generated<boolean>;
}

interface LinkRow {
  token_hash: Buffer;
  link_session_id: string;
  request: JSONColumnType<LinkRequest>;
  update_item_id: string | null;
  stage: "open" | "signed_in" | "finished" | "exited";
  attempts: Generated<number>;
  institution_id: string | null;
  username: string | null;
  item_id: string | null;
  sealed_public_token: Buffer | null;
  created_at: Date;
  expires_at: Date;
  finished_at: Date | null;
}
