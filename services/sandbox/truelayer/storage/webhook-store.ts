import { sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import type { SignatureMode, WebhookMode } from "../domain/settings.ts";
import type { TrueLayerTables } from "./tables.ts";

/** A webhook on its way. */
export interface Delivery {
  readonly deliveryId: string;
  /** The same on every attempt, and in a repeated delivery of the same event. */
  readonly eventId: string;
  readonly eventType: string;
  readonly url: string;
  readonly mode: WebhookMode;
  readonly signature: SignatureMode;
  /** The exact bytes, as UTF-8. */
  readonly body: string;
  readonly state: "pending" | "delivered" | "failed";
  readonly attempts: number;
  /** Of the last answer; null when none came. */
  readonly lastStatus: number | null;
  readonly createdAt: Date;
  readonly nextAttemptAt: Date;
}

/** A webhook to be sent. */
export type NewDelivery = Omit<Delivery, "state" | "attempts" | "lastStatus">;

/** What came of an attempt. */
export type AttemptOutcome =
  | { readonly state: "delivered" | "failed"; readonly status: number | null }
  | { readonly state: "pending"; readonly status: number | null; readonly nextAttemptAt: Date };

/** Webhooks waiting, sent and given up. */
export interface WebhookStore {
  add(delivery: NewDelivery): Promise<void>;
  /** Claims what is due and counts the attempt; another sender sees it after `leaseUntil` only. */
  claim(now: Date, leaseUntil: Date, limit: number): Promise<readonly Delivery[]>;
  settle(deliveryId: string, outcome: AttemptOutcome): Promise<void>;
  /** Newest first. */
  list(limit: number): Promise<readonly Delivery[]>;
  clear(): Promise<void>;
  sweep(before: Date): Promise<void>;
}

const columns = [
  "delivery_id as deliveryId",
  "event_id as eventId",
  "event_type as eventType",
  "url",
  "mode",
  "signature",
  "body",
  "state",
  "attempts",
  "last_status as lastStatus",
  "created_at as createdAt",
  "next_attempt_at as nextAttemptAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createWebhookStore(db: Database<TrueLayerTables>): WebhookStore {
  return {
    async add(delivery) {
      await db.query.insertInto("webhook_deliveries").values(deliveryRow(delivery)).execute();
    },
    claim: (now, leaseUntil, limit) =>
      db.query
        .updateTable("webhook_deliveries")
        .set((each) => ({ next_attempt_at: leaseUntil, attempts: each("attempts", "+", 1) }))
        .where("delivery_id", "in", (each) =>
          each
            .selectFrom("webhook_deliveries")
            .select("delivery_id")
            .where("state", "=", "pending")
            .where("next_attempt_at", "<=", now)
            .orderBy("next_attempt_at")
            .limit(limit)
            .modifyEnd(sql`for update skip locked`),
        )
        .returning(columns)
        .execute(),
    async settle(deliveryId, outcome) {
      await db.query
        .updateTable("webhook_deliveries")
        .set({
          state: outcome.state,
          last_status: outcome.status,
          ...(outcome.state === "pending" ? { next_attempt_at: outcome.nextAttemptAt } : {}),
        })
        .where("delivery_id", "=", deliveryId)
        .where("state", "=", "pending")
        .execute();
    },
    list: (limit) =>
      db.query
        .selectFrom("webhook_deliveries")
        .select(columns)
        .orderBy("created_at", "desc")
        .orderBy("delivery_id", "desc")
        .limit(limit)
        .execute(),
    async clear() {
      await db.query.deleteFrom("webhook_deliveries").execute();
    },
    async sweep(before) {
      await db.query.deleteFrom("webhook_deliveries").where("created_at", "<", before).execute();
    },
  };
}

/** The row of a webhook to be sent, for those who add it in a transaction of their own. */
export function deliveryRow(delivery: NewDelivery) {
  return {
    delivery_id: delivery.deliveryId,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    url: delivery.url,
    mode: delivery.mode,
    signature: delivery.signature,
    body: delivery.body,
    state: "pending" as const,
    last_status: null,
    created_at: delivery.createdAt,
    next_attempt_at: delivery.nextAttemptAt,
  };
}
