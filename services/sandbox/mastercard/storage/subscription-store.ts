import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { SubscribedEvent, Subscription, SubscriptionStatus } from "../domain/subscription.ts";
import type { MastercardTables, SubscriptionRow } from "./tables.ts";

/** What a subscription says. */
export interface SubscriptionContents {
  readonly url: string | null;
  readonly events: readonly SubscribedEvent[];
}

/** Subscriptions to notifications. */
export interface SubscriptionStore {
  add(contents: SubscriptionContents, now: Date): Promise<Subscription>;
  find(subscriptionId: string): Promise<Subscription | undefined>;
  list(page: { offset: number; limit: number }): Promise<{ total: number; subscriptions: readonly Subscription[] }>;
  /** Undefined for an unknown one. */
  replace(subscriptionId: string, contents: SubscriptionContents, now: Date): Promise<Subscription | undefined>;
  /** Changes its events by what `change` makes of them, one change at a time; undefined for an unknown one. */
  changeEvents(
    subscriptionId: string,
    change: (events: readonly SubscribedEvent[]) => readonly SubscribedEvent[],
    now: Date,
  ): Promise<Subscription | undefined>;
  setStatus(subscriptionId: string, status: SubscriptionStatus, now: Date): Promise<boolean>;
  remove(subscriptionId: string): Promise<boolean>;
  clear(): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createSubscriptionStore(db: Database<MastercardTables>): SubscriptionStore {
  const all = () => db.query.selectFrom("subscriptions");
  return {
    async add(contents, now) {
      const row = await db.query
        .insertInto("subscriptions")
        .values({
          subscription_id: randomUUID(),
          url: contents.url,
          events: JSON.stringify(contents.events),
          status: "active",
          created_at: now,
          updated_at: now,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return subscriptionOf(row);
    },
    async find(subscriptionId) {
      const row = await all().selectAll().where("subscription_id", "=", subscriptionId).executeTakeFirst();
      return row && subscriptionOf(row);
    },
    async list({ offset, limit }) {
      const { total } = await all().select(sql<number>`count(*)::int`.as("total")).executeTakeFirstOrThrow();
      const rows = await all().selectAll().orderBy("created_at").offset(offset).limit(limit).execute();
      return { total, subscriptions: rows.map(subscriptionOf) };
    },
    async replace(subscriptionId, contents, now) {
      const row = await db.query
        .updateTable("subscriptions")
        .set({ url: contents.url, events: JSON.stringify(contents.events), updated_at: now })
        .where("subscription_id", "=", subscriptionId)
        .returningAll()
        .executeTakeFirst();
      return row && subscriptionOf(row);
    },
    changeEvents: (subscriptionId, change, now) =>
      inTransaction(db, async (tx) => {
        const mine = tx.selectFrom("subscriptions").selectAll().where("subscription_id", "=", subscriptionId);
        const row = await mine.forUpdate().executeTakeFirst();
        if (row === undefined) return undefined;
        const changed = await tx
          .updateTable("subscriptions")
          .set({ events: JSON.stringify(change(row.events)), updated_at: now })
          .where("subscription_id", "=", subscriptionId)
          .returningAll()
          .executeTakeFirstOrThrow();
        return subscriptionOf(changed);
      }),
    async setStatus(subscriptionId, status, now) {
      const changed = await db.query
        .updateTable("subscriptions")
        .set({ status, updated_at: now })
        .where("subscription_id", "=", subscriptionId)
        .executeTakeFirst();
      return changed.numUpdatedRows === 1n;
    },
    async remove(subscriptionId) {
      const removed = await db.query
        .deleteFrom("subscriptions")
        .where("subscription_id", "=", subscriptionId)
        .executeTakeFirst();
      return removed.numDeletedRows === 1n;
    },
    async clear() {
      await db.query.deleteFrom("subscriptions").execute();
    },
  };
}

function subscriptionOf(row: Selectable<SubscriptionRow>): Subscription {
  return {
    subscriptionId: row.subscription_id,
    url: row.url,
    events: row.events,
    status: row.status,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
