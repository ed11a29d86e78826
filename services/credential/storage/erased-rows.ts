import { sql } from "kysely";
import type { Connection, Owner } from "../domain/connection.ts";
import { toConnection } from "./connection-store.ts";
import type { ErasedCounts } from "./erasure-store.ts";
import { eraseWebhooksOf } from "./forget-webhooks.ts";
import type { Storage, Tx } from "./storage.ts";

/** Locks connections of an owner that have not ended, a few at a time. */
export async function lockLiveConnections(tx: Tx, owner: Owner, limit: number): Promise<Connection[]> {
  const rows = await tx
    .selectFrom("connections")
    .selectAll()
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("state", "<>", "REVOKED")
    .orderBy("connection_id")
    .limit(limit)
    .forUpdate()
    .execute();
  return rows.map(toConnection);
}

/** Removes an owner's consents that are under way; how many. */
export async function deleteAttemptsOf(tx: Tx, owner: Owner): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom("connect_attempts")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Removes up to `limit` transactions of an owner; how many. */
export async function deleteTransactionsOf(tx: Tx, owner: Owner, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`delete from provider_transactions where ctid = any(array(
    select ctid from provider_transactions
    where tenant = ${owner.tenant} and user_id = ${owner.userId} limit ${limit}))`.execute(tx);
  return Number(numAffectedRows ?? 0n);
}

/**
 * Removes one of an owner's connections, ended before, with all that hangs on it. The lock keeps everybody from adding more to it;
 * undefined when none is left.
 */
export async function deleteOneConnection(
  storage: Pick<Storage, "auditKey">,
  tx: Tx,
  { owner, now }: { readonly owner: Owner; readonly now: Date },
): Promise<Omit<ErasedCounts, "connectAttempts" | "revocations" | "dataKeys"> | undefined> {
  const row = await tx
    .selectFrom("connections")
    .select(["connection_id", "connector", "provider_reference"])
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("state", "=", "REVOKED")
    .limit(1)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { connection_id: connectionId, provider_reference: reference } = row;
  const remove = async (
    table:
      | "provider_accounts"
      | "provider_transactions"
      | "sync_states"
      | "sync_runs"
      | "refresh_journal"
      | "connection_secrets"
      | "connections",
  ): Promise<number> => {
    const { numDeletedRows } = await tx
      .deleteFrom(table)
      .where("tenant", "=", owner.tenant)
      .where("user_id", "=", owner.userId)
      .where("connection_id", "=", connectionId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  };
  const named = { owner, connectionId, connector: row.connector, providerReference: reference ?? "" };
  const counts = {
    accounts: await remove("provider_accounts"),
    transactions: await remove("provider_transactions"),
    syncRuns: await remove("sync_runs"),
    webhookEvents: await eraseWebhooksOf(storage, tx, named, now),
  };
  await remove("sync_states");
  await remove("refresh_journal");
  await remove("connection_secrets");
  return { ...counts, connections: await remove("connections") };
}

/** Destroys an owner's data keys: whatever is still sealed under them, here or in a copy, opens no more. How many. */
export async function destroyDataKeys(tx: Tx, owner: Owner): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom("data_keys")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Whether anything of an owner is left, or has come meanwhile. */
export async function hasRowsOf(tx: Tx, owner: Owner): Promise<boolean> {
  const { rows } = await sql<{ left: boolean }>`
    select exists (select from connections where tenant = ${owner.tenant} and user_id = ${owner.userId})
      or exists (select from connect_attempts where tenant = ${owner.tenant} and user_id = ${owner.userId})
      or exists (select from aggregator_customers where tenant = ${owner.tenant} and user_id = ${owner.userId})
      or exists (select from connect_emails where tenant = ${owner.tenant} and user_id = ${owner.userId})
      or exists (select from revocations where tenant = ${owner.tenant} and user_id = ${owner.userId}) as left`.execute(
    tx,
  );
  return rows[0]?.left !== false;
}
