import type { Connection, ConnectionKey } from "../domain/connection.ts";
import type { Queryable, Tx } from "./storage.ts";

/** How far a connection's transactions are known. */
export interface SyncState {
  /** The connector's own. */
  readonly cursor: string;
  readonly backfilledFrom: Date;
}

/** Undefined before the first run has ended. */
export async function findSyncState(db: Queryable, key: ConnectionKey): Promise<SyncState | undefined> {
  const row = await db
    .selectFrom("sync_states")
    .select(["cursor", "backfilled_from"])
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .executeTakeFirst();
  return row && { cursor: row.cursor, backfilledFrom: row.backfilled_from };
}

/**
 * Forgets how far a connection's transactions are known, and what was pending: a consent under another name begins anew, and does not
 * take back what only the older one has told.
 */
export async function restartSync(tx: Tx, { owner, connectionId }: ConnectionKey): Promise<void> {
  await tx
    .deleteFrom("sync_states")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("connection_id", "=", connectionId)
    .execute();
  await tx
    .deleteFrom("provider_transactions")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("connection_id", "=", connectionId)
    .where("status", "=", "pending")
    .execute();
}

/** Saves where the next run begins. */
export async function saveSyncState(tx: Tx, connection: Connection, state: SyncState, now: Date): Promise<void> {
  const row = {
    cursor: state.cursor,
    generation: connection.generation,
    backfilled_from: state.backfilledFrom,
    updated_at: now,
  };
  await tx
    .insertInto("sync_states")
    .values({
      tenant: connection.owner.tenant,
      user_id: connection.owner.userId,
      connection_id: connection.connectionId,
      ...row,
    })
    .onConflict((conflict) => conflict.columns(["tenant", "user_id", "connection_id"]).doUpdateSet(row))
    .execute();
}
