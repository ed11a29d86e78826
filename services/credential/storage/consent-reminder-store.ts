import { sql } from "kysely";
import type { Connection, ConnectionKey } from "../domain/connection.ts";
import { toKey } from "./connection-store.ts";
import type { Queryable, Tx } from "./storage.ts";

/** How long before the end of a consent its owner is told, first and last. */
export interface ReminderTimes {
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * Connections whose owners are to be told now that the consent ends, the first to end first. Each end is told of twice at most, and
 * anew when it moves.
 */
export async function findEndingConsents(
  db: Queryable,
  times: ReminderTimes,
  now: Date,
  limit: number,
): Promise<readonly ConnectionKey[]> {
  const rows = await db
    .selectFrom("connections")
    .select(["tenant", "user_id", "connection_id"])
    .where("state", "in", ["ACTIVE", "ERROR"])
    .where("consent_expires_at", ">", now)
    .where("consent_expires_at", "<=", new Date(now.getTime() + times.firstMs))
    .where(isUntold(times, now))
    .orderBy("consent_expires_at")
    .limit(limit)
    .execute();
  return rows.map(toKey);
}

/** Notes that a reminder is given; false when somebody else has given it, or the consent does not end so soon any more. */
export async function noteReminder(tx: Tx, connection: Connection, times: ReminderTimes, now: Date): Promise<boolean> {
  const { owner, connectionId } = connection;
  const result = await tx
    .updateTable("connections")
    .set({ reminded_of: sql<Date>`consent_expires_at`, reminded_at: now })
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("connection_id", "=", connectionId)
    .where("state", "in", ["ACTIVE", "ERROR"])
    .where("consent_expires_at", ">", now)
    .where("consent_expires_at", "<=", new Date(now.getTime() + times.firstMs))
    .where(isUntold(times, now))
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

function isUntold({ lastMs }: ReminderTimes, now: Date) {
  const last = sql`make_interval(secs => ${lastMs / 1000}::float8)`;
  return sql<boolean>`(reminded_of is distinct from consent_expires_at
    or (consent_expires_at - ${last} <= ${now}::timestamptz and reminded_at < consent_expires_at - ${last}))`;
}
