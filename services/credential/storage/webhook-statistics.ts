import { type RawBuilder, sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Actor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { appendAudit } from "./audit-store.ts";
import type { Queryable, Storage } from "./storage.ts";

/** A refused webhook is nobody's: its alert is the installation's own. */
export const webhookAuditOwner: Owner = { tenant: "operator", userId: "webhooks" };

/** A webhook that was refused. */
export interface RefusedWebhook {
  readonly connector: string;
  readonly reason: string;
  readonly bodyDigest: Buffer;
  readonly bodyBytes: number;
  readonly actor: Actor;
  readonly now: Date;
}

/** Counts a refused webhook and leaves its security alert; of the body there is the length and a digest. */
export async function recordRefusal(storage: Storage, refusal: RefusedWebhook): Promise<void> {
  const { connector, reason, actor, now } = refusal;
  const details = { about: "webhook", digest: refusal.bodyDigest.toString("hex"), bytes: refusal.bodyBytes };
  await inTransaction(storage.db, async (tx) => {
    await tx
      .insertInto("webhook_rejections")
      .values({ connector, hour: sql<Date>`date_trunc('hour', ${now}::timestamptz, 'UTC')`, reason, count: 1n })
      .onConflict((conflict) =>
        conflict
          .columns(["connector", "hour", "reason"])
          .doUpdateSet({ count: sql<bigint>`webhook_rejections.count + 1` }),
      )
      .execute();
    await appendAudit(storage, tx, { owner: webhookAuditOwner, actor, now }, [
      { action: "security_alert", outcome: reason, connector, institutionId: connector, durationMs: 0, details },
    ]);
  });
}

/** Webhooks of one provider since a time. */
export interface WebhookCounts {
  readonly connector: string;
  readonly accepted: number;
  readonly repeated: number;
  readonly rejected: number;
  /** At this moment. */
  readonly queued: number;
  readonly dead: number;
}

/** The counts of every provider that sent something, or of the one that is named, by name. Rejections are counted by the hour. */
export async function countWebhooks(db: Queryable, since: Date, connector?: string): Promise<WebhookCounts[]> {
  const { rows } = await sql<{
    connector: string;
    accepted: bigint;
    repeated: bigint;
    rejected: bigint;
    queued: bigint;
    dead: bigint;
  }>`
    with events as (
      select connector, count(*) filter (where received_at >= ${since}::timestamptz) as accepted,
        coalesce(sum(repeats) filter (where last_received_at >= ${since}::timestamptz), 0) as repeated,
        count(*) filter (where state in ('queued', 'processing')) as queued, count(*) filter (where state = 'dead') as dead
      from webhook_events
      where (last_received_at >= ${since}::timestamptz or state <> 'done') and ${ofConnector(connector)} group by connector
    ), rejections as (
      select connector, sum(count)::bigint as rejected from webhook_rejections
      where hour >= date_trunc('hour', ${since}::timestamptz, 'UTC') and ${ofConnector(connector)} group by connector
    )
    select connector, coalesce(accepted, 0) as accepted, coalesce(repeated, 0) as repeated,
      coalesce(rejected, 0) as rejected, coalesce(queued, 0) as queued, coalesce(dead, 0) as dead
    from events full join rejections using (connector) order by connector`.execute(db);
  return rows.map((row) => ({
    connector: row.connector,
    accepted: Number(row.accepted),
    repeated: Number(row.repeated),
    rejected: Number(row.rejected),
    queued: Number(row.queued),
    dead: Number(row.dead),
  }));
}

/** A condition on the column `connector`; any, where none is named. */
export function ofConnector(connector: string | undefined): RawBuilder<boolean> {
  return connector === undefined ? sql<boolean>`true` : sql<boolean>`connector = ${connector}`;
}

/** Forgets counts of refusals before a time. */
export async function deleteOldRejections(db: Queryable, before: Date): Promise<void> {
  await db.deleteFrom("webhook_rejections").where("hour", "<", before).execute();
}
