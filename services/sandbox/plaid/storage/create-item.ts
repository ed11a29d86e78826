import type { Transaction } from "kysely";
import type { FeedTransaction } from "../domain/feed.ts";
import type { PlaidTables } from "./tables.ts";

const rowsPerInsert = 500;

/** An item about to be. */
export interface NewItem {
  readonly id: string;
  readonly institutionId: string;
  readonly username: string;
  readonly accountKeys: readonly string[];
  readonly products: readonly string[];
  readonly webhook: string | null;
  readonly consentExpiresAt: Date | null;
  readonly createdAt: Date;
  readonly firstUpdateAt: Date;
  /** The last day that `transactions` covers. */
  readonly fedThrough: string;
  readonly transactions: readonly FeedTransaction[];
}

/** Makes an item with its history, which later updates show. */
export async function insertItem(tx: Transaction<PlaidTables>, item: NewItem): Promise<void> {
  await tx
    .insertInto("items")
    .values({
      item_id: item.id,
      institution_id: item.institutionId,
      username: item.username,
      account_keys: [...item.accountKeys],
      products: [...item.products],
      webhook: item.webhook,
      state: "active",
      access_token_hash: null,
      sealed_access_token: null,
      consent_expires_at: item.consentExpiresAt,
      update_status: "NOT_READY",
      update_due_at: item.firstUpdateAt,
      refresh_due_at: null,
      fed_through: item.fedThrough,
      last_webhook_at: null,
      last_webhook_code: null,
      last_update_at: null,
      created_at: item.createdAt,
    })
    .execute();
  await insertTransactions(tx, item.id, item.transactions, undefined);
}

/** Adds transactions; shown from `firstChange` on, one number each, or hidden when it is undefined. */
export async function insertTransactions(
  tx: Transaction<PlaidTables>,
  itemId: string,
  transactions: readonly FeedTransaction[],
  firstChange: bigint | undefined,
): Promise<void> {
  const rows = transactions.map((each, index) => {
    const change = firstChange === undefined ? null : firstChange + BigInt(index);
    const { name, merchant, primary, detailed, channel, accountKey, day, key } = each.entry;
    return {
      item_id: itemId,
      transaction_id: each.id,
      account_key: accountKey,
      entry: JSON.stringify({ key, name, merchant, primary, detailed, channel }),
      minor: each.minor,
      day,
      posted_day: each.postedDay,
      pending: each.pending,
      pending_transaction_id: each.pendingId,
      added_change: change,
      last_change: change,
    };
  });
  for (let start = 0; start < rows.length; start += rowsPerInsert) {
    await tx
      .insertInto("item_transactions")
      .values(rows.slice(start, start + rowsPerInsert))
      .execute();
  }
}
