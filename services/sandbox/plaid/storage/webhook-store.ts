import { sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import type { SignatureMode } from "../domain/settings.ts";
import type { PlaidTables } from "./tables.ts";

const listedMax = 200;
const claimedMax = 20;

/** A webhook whose turn has come. */
export interface DueWebhook {
  readonly id: string;
  readonly url: string;
  readonly body: string;
  readonly signature: SignatureMode | null;
  readonly skewSeconds: number;
  /** This attempt included. */
  readonly attempts: number;
  readonly createdAt: Date;
}

/** Webhooks on their way: `pending` → `delivered`, or `failed` after the last attempt. */
export interface WebhookStore {
  /** Claims due webhooks; they stay away from other senders until `leaseUntil`, and come back if this one dies. */
  claimDue(now: Date, leaseUntil: Date): Promise<readonly DueWebhook[]>;
  /** Records an answer; the webhook goes again at `nextAttemptAt`, or never when that is undefined. */
  record(
    id: string,
    outcome: { delivered: boolean; status: number | null; nextAttemptAt: Date | undefined },
  ): Promise<void>;
  /** The newest webhooks with what became of them. */
  list(): Promise<readonly object[]>;
  /** Sends one again now. False for an unknown id. */
  resend(id: string, now: Date): Promise<boolean>;
}

/** Opens the store on the sandbox's schema. */
export function createWebhookStore(db: Database<PlaidTables>): WebhookStore {
  return {
    async claimDue(now, leaseUntil) {
      const rows = await db.query
        .updateTable("webhook_deliveries")
        .set({ next_attempt_at: leaseUntil, attempts: sql`attempts + 1` })
        .where("delivery_id", "in", (query) =>
          query
            .selectFrom("webhook_deliveries")
            .select("delivery_id")
            .where("state", "=", "pending")
            .where("next_attempt_at", "<=", now)
            .orderBy("next_attempt_at")
            .limit(claimedMax)
            .forUpdate()
            .skipLocked(),
        )
        .returningAll()
        .execute();
      return rows.map((row) => ({
        id: row.delivery_id,
        url: row.url,
        body: row.body,
        signature: row.signature as SignatureMode | null, // only written from a SignatureMode
        skewSeconds: row.skew_seconds,
        attempts: row.attempts,
        createdAt: row.created_at,
      }));
    },
    async record(id, outcome) {
      const ended = outcome.delivered ? "delivered" : "failed";
      await db.query
        .updateTable("webhook_deliveries")
        .set({
          state: outcome.nextAttemptAt === undefined ? ended : "pending",
          last_status: outcome.status,
          ...(outcome.nextAttemptAt && { next_attempt_at: outcome.nextAttemptAt }),
        })
        .where("delivery_id", "=", id)
        .where("state", "=", "pending")
        .execute();
    },
    list: () =>
      db.query
        .selectFrom("webhook_deliveries")
        .select(["delivery_id", "item_id", "code", "url", "state", "attempts", "last_status", "created_at"])
        .orderBy("delivery_id", "desc")
        .limit(listedMax)
        .execute(),
    async resend(id, now) {
      const row = await db.query
        .updateTable("webhook_deliveries")
        .set({ state: "pending", next_attempt_at: now })
        .where("delivery_id", "=", id)
        .executeTakeFirst();
      return row.numUpdatedRows === 1n;
    },
  };
}
