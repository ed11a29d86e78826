import { type Selectable, sql, type Transaction } from "kysely";
import { addDays, type Day, dayOf } from "../../kit/domain/calendar.ts";
import { type FeedOwner, type FeedTransaction, feedOfDays, feedOfRefresh, postedOf } from "../domain/feed.ts";
import type { UpdateStatus } from "../domain/item.ts";
import { findPerson } from "../domain/people.ts";
import { insertTransactions } from "./create-item.ts";
import type { ItemRow, PlaidTables, StoredEntry } from "./tables.ts";
import { enqueueWebhook } from "./webhook-outbox.ts";

type Tx = Transaction<PlaidTables>;

/** How long after the first transactions the rest of the history comes, and how often a bank is asked by itself. */
export interface FeedTimes {
  readonly historicalMs: number;
  readonly regularMs: number;
}

const initialDays = 30;

/** Takes an item, locked by the caller, one update further: first month, whole history, then what the days brought. */
export async function advanceItem(tx: Tx, item: Selectable<ItemRow>, now: Date, times: FeedTimes): Promise<void> {
  const today = dayOf(now);
  switch (item.update_status) {
    case "NOT_READY": {
      const count = await showHidden(tx, item.item_id, addDays(today, -initialDays));
      await finish(tx, item, { status: "INITIAL_UPDATE_COMPLETE", now, waitMs: times.historicalMs });
      return tell(tx, item, { status: "INITIAL_UPDATE_COMPLETE", code: "INITIAL_UPDATE", count, now });
    }
    case "INITIAL_UPDATE_COMPLETE": {
      const count = await showHidden(tx, item.item_id, "0000-00-00");
      await finish(tx, item, { status: "HISTORICAL_UPDATE_COMPLETE", now, waitMs: times.regularMs });
      return tell(tx, item, { status: "HISTORICAL_UPDATE_COMPLETE", code: "HISTORICAL_UPDATE", count, now });
    }
    case "HISTORICAL_UPDATE_COMPLETE": {
      const refresh = item.refresh_due_at !== null && item.refresh_due_at <= now;
      const count = await catchUp(tx, item, today, refresh);
      await finish(tx, item, { status: item.update_status, now, waitMs: times.regularMs, refreshed: refresh });
      if (count > 0) await tell(tx, item, { status: item.update_status, code: "DEFAULT_UPDATE", count, now });
      return;
    }
    default: {
      const impossible: never = item.update_status;
      throw new Error(`unreachable status ${String(impossible)}`);
    }
  }
}

async function finish(
  tx: Tx,
  item: Selectable<ItemRow>,
  step: { status: UpdateStatus; now: Date; waitMs: number; refreshed?: boolean },
): Promise<void> {
  await tx
    .updateTable("items")
    .set({
      update_status: step.status,
      update_due_at: new Date(step.now.getTime() + step.waitMs),
      last_update_at: step.now,
      ...(step.refreshed && { refresh_due_at: null, refresh_count: item.refresh_count + 1 }),
    })
    .where("item_id", "=", item.item_id)
    .execute();
}

async function tell(
  tx: Tx,
  item: Selectable<ItemRow>,
  step: {
    status: UpdateStatus;
    code: "INITIAL_UPDATE" | "HISTORICAL_UPDATE" | "DEFAULT_UPDATE";
    count: number;
    now: Date;
  },
): Promise<void> {
  await enqueueWebhook(tx, item.item_id, { code: step.code, newTransactions: step.count }, step.now);
  if (!item.synced) return;
  const historical = step.status === "HISTORICAL_UPDATE_COMPLETE";
  await enqueueWebhook(tx, item.item_id, { code: "SYNC_UPDATES_AVAILABLE", initial: true, historical }, step.now);
}

/** Posts what is due (all that is pending, on a refresh) and adds the days since the last time. */
async function catchUp(tx: Tx, item: Selectable<ItemRow>, today: Day, refresh: boolean): Promise<number> {
  const person = findPerson(item.username);
  if (person === undefined) throw new Error("an item belongs to nobody");
  const owner: FeedOwner = { itemId: item.item_id, person, accountKeys: item.account_keys };
  const posted = await postPending(tx, item.item_id, refresh ? addDays(today, 365) : today, today);
  const found: FeedTransaction[] = [...feedOfDays(owner, addDays(item.fed_through, 1), today, today)];
  if (refresh) found.push(...feedOfRefresh(owner, today, item.refresh_count));
  if (found.length > 0) {
    const first = await takeChanges(tx, item.item_id, found.length);
    await insertTransactions(tx, item.item_id, found, first);
  }
  // A clock set back must not give the same days twice.
  const fedThrough = today > item.fed_through ? today : item.fed_through;
  await tx.updateTable("items").set({ fed_through: fedThrough }).where("item_id", "=", item.item_id).execute();
  return posted + found.length;
}

async function postPending(tx: Tx, itemId: string, dueBy: Day, today: Day): Promise<number> {
  const due = await tx
    .selectFrom("item_transactions")
    .selectAll()
    .where("item_id", "=", itemId)
    .where("pending", "=", true)
    .where("removed", "=", false)
    .where("posted_day", "<=", dueBy)
    .execute();
  if (due.length === 0) return 0;
  await markChanged(tx, itemId, { ids: due.map((row) => row.transaction_id), removed: true });
  const first = await takeChanges(tx, itemId, due.length);
  const rows = due.map((row, index) => {
    const entry: StoredEntry = row.entry;
    const posted = postedOf(itemId, {
      id: row.transaction_id,
      entryKey: entry.key,
      minor: row.minor,
      detailed: entry.detailed,
    });
    return {
      ...row,
      entry: JSON.stringify(entry),
      transaction_id: posted.id,
      minor: posted.minor,
      pending: false,
      pending_transaction_id: posted.pendingId,
      posted_day: row.posted_day < today ? row.posted_day : today,
      added_change: first + BigInt(index),
      last_change: first + BigInt(index),
      removed: false,
    };
  });
  await tx.insertInto("item_transactions").values(rows).execute();
  return rows.length;
}

/** Gives some of the newest posted transactions a corrected name. Returns how many. */
export async function modifyLatest(tx: Tx, itemId: string, count: number): Promise<number> {
  const ids = await latestPosted(tx, itemId, count);
  if (ids.length === 0) return 0;
  await tx
    .updateTable("item_transactions")
    .set({ entry: sql`jsonb_set(entry, '{name}', to_jsonb((entry->>'name') || ' *CORRECTED'))` })
    .where("item_id", "=", itemId)
    .where("transaction_id", "in", ids)
    .execute();
  return markChanged(tx, itemId, { ids, removed: false });
}

/** Takes away some of the newest posted transactions, as a bank that booked by mistake. Returns how many. */
export async function removeLatest(tx: Tx, itemId: string, count: number): Promise<number> {
  return markChanged(tx, itemId, { ids: await latestPosted(tx, itemId, count), removed: true });
}

async function latestPosted(tx: Tx, itemId: string, count: number): Promise<string[]> {
  const rows = await tx
    .selectFrom("item_transactions")
    .select("transaction_id")
    .where("item_id", "=", itemId)
    .where("pending", "=", false)
    .where("removed", "=", false)
    .where("added_change", "is not", null)
    .orderBy("posted_day", "desc")
    .orderBy("transaction_id")
    .limit(count)
    .execute();
  return rows.map((row) => row.transaction_id);
}

async function showHidden(tx: Tx, itemId: string, from: Day): Promise<number> {
  const rows = await tx
    .selectFrom("item_transactions")
    .select("transaction_id")
    .where("item_id", "=", itemId)
    .where("added_change", "is", null)
    .where("day", ">=", from)
    .orderBy("day", "desc")
    .orderBy("transaction_id")
    .execute();
  return markChanged(tx, itemId, { ids: rows.map((row) => row.transaction_id), removed: false });
}

/** Gives each of these the next change number; one seen for the first time is added by it. */
async function markChanged(
  tx: Tx,
  itemId: string,
  change: { ids: readonly string[]; removed: boolean },
): Promise<number> {
  if (change.ids.length === 0) return 0;
  const first = await takeChanges(tx, itemId, change.ids.length);
  await sql`
    update item_transactions as t
    set last_change = ${first}::bigint + given.place - 1,
        added_change = coalesce(t.added_change, ${first}::bigint + given.place - 1),
        removed = ${change.removed}
    from unnest(${change.ids}::text[]) with ordinality as given (id, place)
    where t.item_id = ${itemId} and t.transaction_id = given.id`.execute(tx);
  return change.ids.length;
}

/** Takes the item's next change numbers; its row stays locked until the commit, so numbers become visible in order. */
async function takeChanges(tx: Tx, itemId: string, count: number): Promise<bigint> {
  const row = await tx
    .updateTable("items")
    .set({ change_count: sql`change_count + ${count}` })
    .where("item_id", "=", itemId)
    .returning("change_count")
    .executeTakeFirstOrThrow();
  return row.change_count - BigInt(count) + 1n;
}
