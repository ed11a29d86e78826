import { type Selectable, sql, type Transaction } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { SyncPosition } from "../domain/sync-cursor.ts";
import { advanceItem, type FeedTimes, modifyLatest, removeLatest } from "./advance-item.ts";
import type { PlaidTables } from "./tables.ts";

/** A transaction as it is kept. */
export type StoredTransaction = Selectable<PlaidTables["item_transactions"]>;

/** One page of changes. */
export interface SyncPage {
  readonly added: readonly StoredTransaction[];
  readonly modified: readonly StoredTransaction[];
  readonly removed: readonly StoredTransaction[];
  readonly next: SyncPosition;
  readonly hasMore: boolean;
}

/** What one account holds. Minor units. */
export interface AccountSums {
  readonly posted: bigint;
  readonly pending: bigint;
}

/** The transactions of items and their updates. */
export interface FeedStore {
  /** A page of changes from a position; `mutated` when changes came between two pages of one update. */
  page(
    position: SyncPosition,
    options: { count: number; accountKey: string | undefined },
  ): Promise<SyncPage | "mutated">;
  /** Remembers that the application syncs, so that webhooks of the newer kind go to it. */
  noteSync(itemId: string): Promise<void>;
  sums(itemId: string): Promise<ReadonlyMap<string, AccountSums>>;
  /** Asks for an update beside the regular ones. */
  requestRefresh(itemId: string, dueAt: Date): Promise<void>;
  /** Does every update that is due, webhooks included. Returns how many. */
  runDue(now: Date, times: FeedTimes): Promise<number>;
  /** Changes some of the newest posted transactions, or takes them away. */
  disturb(itemId: string, change: { modify: number; remove: number }): Promise<number>;
  /** Makes the next page of a paged update find that something changed. */
  mutateNextPage(itemId: string): Promise<void>;
}

const updatesPerSweep = 50;

/** Opens the store on the sandbox's schema. */
export function createFeedStore(db: Database<PlaidTables>): FeedStore {
  return {
    page: (position, options) => readPage(db, position, options),
    async noteSync(itemId) {
      await db.query
        .updateTable("items")
        .set({ synced: true })
        .where("item_id", "=", itemId)
        .where("synced", "=", false)
        .execute();
    },
    async sums(itemId) {
      const rows = await db.query
        .selectFrom("item_transactions")
        .select([
          "account_key",
          sql<bigint>`coalesce(sum(minor) filter (where not pending), 0)::bigint`.as("posted"),
          sql<bigint>`coalesce(sum(minor) filter (where pending), 0)::bigint`.as("waiting"),
        ])
        .where("item_id", "=", itemId)
        .where("removed", "=", false)
        .groupBy("account_key")
        .execute();
      return new Map(rows.map((row) => [row.account_key, { posted: row.posted, pending: row.waiting }]));
    },
    async requestRefresh(itemId, dueAt) {
      await db.query.updateTable("items").set({ refresh_due_at: dueAt }).where("item_id", "=", itemId).execute();
    },
    async runDue(now, times) {
      let done = 0;
      while (done < updatesPerSweep && (await runOne(db, now, times))) done += 1;
      return done;
    },
    disturb: (itemId, change) =>
      inTransaction(db, async (tx) => {
        const modified = await modifyLatest(tx, itemId, change.modify);
        return modified + (await removeLatest(tx, itemId, change.remove));
      }),
    async mutateNextPage(itemId) {
      await db.query.updateTable("items").set({ mutate_next_page: true }).where("item_id", "=", itemId).execute();
    },
  };
}

/** One snapshot for the item's counter and its rows: else a row changed in between would be missed by the reader. */
async function readPage(
  db: Database<PlaidTables>,
  position: SyncPosition,
  options: { count: number; accountKey: string | undefined },
): Promise<SyncPage | "mutated"> {
  if (position.paging) await disturbWhenAsked(db, position.itemId);
  return inTransaction(
    db,
    async (tx) => {
      const item = await tx
        .selectFrom("items")
        .select("change_count")
        .where("item_id", "=", position.itemId)
        .executeTakeFirstOrThrow();
      const head = position.paging?.head ?? item.change_count;
      if (item.change_count !== head) return "mutated";
      const rows = await changesOf(tx, position, { ...options, head });
      return pageOf(position, head, rows, options.count);
    },
    { isolation: "repeatable read" },
  );
}

function changesOf(
  tx: Transaction<PlaidTables>,
  position: SyncPosition,
  options: { count: number; accountKey: string | undefined; head: bigint },
): Promise<StoredTransaction[]> {
  const after = position.paging?.after ?? position.base;
  return (
    tx
      .selectFrom("item_transactions")
      .selectAll()
      .where("item_id", "=", position.itemId)
      .where("last_change", ">", after)
      .where("last_change", "<=", options.head)
      // Came and went since the reader's last update: nothing to tell.
      .where((where) => where.or([where("removed", "=", false), where("added_change", "<=", position.base)]))
      .$if(options.accountKey !== undefined, (query) => query.where("account_key", "=", options.accountKey ?? ""))
      .orderBy("last_change")
      .limit(options.count + 1)
      .execute()
  );
}

function pageOf(position: SyncPosition, head: bigint, rows: readonly StoredTransaction[], count: number): SyncPage {
  const shown = rows.slice(0, count);
  const hasMore = rows.length > count;
  const after = shown.at(-1)?.last_change ?? head;
  const isNew = (row: StoredTransaction) => row.added_change !== null && row.added_change > position.base;
  return {
    added: shown.filter((row) => !row.removed && isNew(row)),
    modified: shown.filter((row) => !row.removed && !isNew(row)),
    removed: shown.filter((row) => row.removed),
    next: hasMore
      ? { ...position, paging: { head, after } }
      : { itemId: position.itemId, base: head, paging: undefined },
    hasMore,
  };
}

async function disturbWhenAsked(db: Database<PlaidTables>, itemId: string): Promise<void> {
  await inTransaction(db, async (tx) => {
    const asked = await tx
      .updateTable("items")
      .set({ mutate_next_page: false })
      .where("item_id", "=", itemId)
      .where("mutate_next_page", "=", true)
      .executeTakeFirst();
    if (asked.numUpdatedRows === 1n) await modifyLatest(tx, itemId, 1);
  });
}

/** Does the update of one item, if one is due; another replica's item is left to it. */
function runOne(db: Database<PlaidTables>, now: Date, times: FeedTimes): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const item = await tx
      .selectFrom("items")
      .selectAll()
      .where("state", "=", "active")
      .where((where) =>
        where.or([
          where("update_due_at", "<=", now),
          where.and([where("refresh_due_at", "<=", now), where("update_status", "=", "HISTORICAL_UPDATE_COMPLETE")]),
        ]),
      )
      .orderBy("update_due_at")
      .limit(1)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    if (item === undefined) return false;
    await advanceItem(tx, item, now, times);
    return true;
  });
}
