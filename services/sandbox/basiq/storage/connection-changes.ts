import type { Selectable, Transaction } from "kysely";
import type { Connection, Instant } from "../domain/records.ts";
import { connectionView } from "../domain/views.ts";
import { appendEvent } from "./append-event.ts";
import type { BasiqTables, ConnectionRow } from "./tables.ts";

/** Which connections a change is about. */
export interface Which {
  readonly userId: string;
  /** All of the user's when undefined. */
  readonly connectionId?: string | undefined;
}

type Tx = Transaction<BasiqTables>;

/** Marks active connections as invalid and tells of each. Returns how many. */
export async function invalidateConnections(tx: Tx, origin: string, which: Which, at: Instant): Promise<number> {
  return await change(tx, origin, which, { from: "active", to: "invalid", eventType: "invalidated", at });
}

/** Marks invalid connections as active and tells of each. Returns how many. */
export async function activateConnections(tx: Tx, origin: string, which: Which, at: Instant): Promise<number> {
  return await change(tx, origin, which, { from: "invalid", to: "active", eventType: "activated", at });
}

/** Deletes connections with what was fetched by them, and tells of each. Returns how many. */
export async function deleteConnections(tx: Tx, origin: string, which: Which, at: Instant): Promise<number> {
  const rows = await tx
    .deleteFrom("connections")
    .where("user_id", "=", which.userId)
    .$if(which.connectionId !== undefined, (query) => query.where("connection_id", "=", which.connectionId ?? ""))
    .returningAll()
    .execute();
  for (const row of rows) await tellConnection(tx, origin, row, "deleted", at);
  return rows.length;
}

/** Writes down what happened to a connection. */
export async function tellConnection(
  tx: Tx,
  origin: string,
  row: Selectable<ConnectionRow>,
  eventType: string,
  at: Instant,
): Promise<void> {
  const connection = connectionOf(row);
  const { userId } = connection;
  const path = `/users/${userId}/connections/${connection.connectionId}`;
  const data = connectionView(origin, connection);
  await appendEvent(tx, origin, { userId, entity: "connection", eventType, path, data }, at);
}

/** A row as the domain knows it. */
export function connectionOf(row: Selectable<ConnectionRow>): Connection {
  return {
    connectionId: row.connection_id,
    userId: row.user_id,
    institutionId: row.institution_id,
    username: row.username,
    accountKinds: row.account_kinds,
    status: row.status,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    accountsAt: row.accounts_at,
    fetchedAt: row.fetched_at,
    refreshes: row.refreshes,
  };
}

async function change(
  tx: Tx,
  origin: string,
  which: Which,
  step: { from: "active" | "invalid"; to: "active" | "invalid"; eventType: string; at: Instant },
): Promise<number> {
  const rows = await tx
    .updateTable("connections")
    .set({ status: step.to })
    .where("user_id", "=", which.userId)
    .where("status", "=", step.from)
    .$if(which.connectionId !== undefined, (query) => query.where("connection_id", "=", which.connectionId ?? ""))
    .returningAll()
    .execute();
  for (const row of rows) await tellConnection(tx, origin, row, step.eventType, step.at);
  return rows.length;
}
