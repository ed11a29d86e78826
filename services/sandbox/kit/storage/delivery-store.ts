import { type Kysely, sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import { type KitTables, kitView } from "./kit-tables.ts";

const claimedMax = 20;
const listedMax = 1_000;

/** A webhook on its way. */
export interface Delivery {
  readonly deliveryId: string;
  /** The provider's name of what it is about. */
  readonly subject: string | null;
  /** The same on every attempt, and in a repeated delivery of the same event. */
  readonly eventId: string;
  readonly eventType: string;
  readonly url: string;
  /** The exact bytes, as UTF-8. */
  readonly body: string;
  /** Which of the provider's schemes signs it, where it has several. */
  readonly scheme: string | null;
  /** How it is signed; as the settings say when null. */
  readonly signature: string | null;
  /** Added to the time it is signed with, beside the clock's own skew. */
  readonly skewSeconds: number;
  readonly state: "pending" | "delivered" | "failed";
  /** Those made; the one under way counts. */
  readonly attempts: number;
  /** Of the last answer; null when none came. */
  readonly lastStatus: number | null;
  readonly createdAt: Date;
  readonly nextAttemptAt: Date;
}

/** A webhook to be sent. */
export interface NewDelivery {
  readonly subject: string | null;
  readonly eventId: string;
  readonly eventType: string;
  readonly url: string;
  readonly body: string;
  readonly scheme?: string | undefined;
  readonly signature?: string | undefined;
  readonly skewSeconds?: number | undefined;
}

/** What came of an attempt. */
export type AttemptOutcome =
  | { readonly state: "delivered" | "failed"; readonly status: number | null }
  | { readonly state: "pending"; readonly status: number | null; readonly nextAttemptAt: Date };

/** Webhooks waiting, sent and given up. */
export interface DeliveryStore {
  /** Sends it as soon as the sender comes by. `now` is the true time: schedules know no skew. */
  add(delivery: NewDelivery, now: Date): Promise<void>;
  /** Claims what is due and counts the attempt; another sender sees it after `leaseUntil` only. */
  claim(now: Date, leaseUntil: Date): Promise<readonly Delivery[]>;
  settle(deliveryId: string, outcome: AttemptOutcome): Promise<void>;
  /** The newest 1,000, newest first. */
  list(): Promise<readonly Delivery[]>;
  /** Sends one again now. False for an unknown id. */
  resend(deliveryId: string, now: Date): Promise<boolean>;
  clear(): Promise<void>;
  /** Forgets those made before. */
  sweep(before: Date): Promise<void>;
}

const columns = [
  "delivery_id as deliveryId",
  "subject",
  "event_id as eventId",
  "event_type as eventType",
  "url",
  "body",
  "scheme",
  "signature",
  "skew_seconds as skewSeconds",
  "state",
  "attempts",
  "last_status as lastStatus",
  "created_at as createdAt",
  "next_attempt_at as nextAttemptAt",
] as const;

/** Opens the store. */
export function createDeliveryStore<Tables extends KitTables>(db: Database<Tables>): DeliveryStore {
  const query = kitView(db.query);
  return {
    add: (delivery, now) => addDelivery(db.query, delivery, now),
    claim: (now, leaseUntil) =>
      query
        .updateTable("webhook_deliveries")
        .set((each) => ({ next_attempt_at: leaseUntil, attempts: each("attempts", "+", 1) }))
        .where("delivery_id", "in", (each) =>
          each
            .selectFrom("webhook_deliveries")
            .select("delivery_id")
            .where("state", "=", "pending")
            .where("next_attempt_at", "<=", now)
            .orderBy("next_attempt_at")
            .limit(claimedMax)
            .modifyEnd(sql`for update skip locked`),
        )
        .returning(columns)
        .execute(),
    async settle(deliveryId, outcome) {
      await query
        .updateTable("webhook_deliveries")
        .set({
          state: outcome.state,
          last_status: outcome.status,
          ...(outcome.state === "pending" && { next_attempt_at: outcome.nextAttemptAt }),
        })
        .where("delivery_id", "=", deliveryId)
        .where("state", "=", "pending")
        .execute();
    },
    list: () =>
      query
        .selectFrom("webhook_deliveries")
        .select(columns)
        .orderBy("created_at", "desc")
        .orderBy("delivery_id", "desc")
        .limit(listedMax)
        .execute(),
    async resend(deliveryId, now) {
      const changed = await query
        .updateTable("webhook_deliveries")
        .set({ state: "pending", next_attempt_at: now })
        .where("delivery_id", "=", deliveryId)
        .executeTakeFirst();
      return changed.numUpdatedRows === 1n;
    },
    async clear() {
      await query.deleteFrom("webhook_deliveries").execute();
    },
    async sweep(before) {
      await query.deleteFrom("webhook_deliveries").where("created_at", "<", before).execute();
    },
  };
}

/** Puts a webhook beside the change it tells of, in the same transaction. */
export async function addDelivery<Tables extends KitTables>(
  query: Kysely<Tables>,
  delivery: NewDelivery,
  now: Date,
): Promise<void> {
  await kitView(query)
    .insertInto("webhook_deliveries")
    .values({
      delivery_id: uuidv7(now.getTime()),
      subject: delivery.subject,
      event_id: delivery.eventId,
      event_type: delivery.eventType,
      url: delivery.url,
      body: delivery.body,
      scheme: delivery.scheme ?? null,
      signature: delivery.signature ?? null,
      skew_seconds: delivery.skewSeconds ?? 0,
      state: "pending",
      last_status: null,
      created_at: now,
      next_attempt_at: now,
    })
    .execute();
}
