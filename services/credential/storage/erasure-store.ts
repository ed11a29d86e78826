import { type Selectable, sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Actor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { ownerHash } from "./audit-chain.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import type { ErasureRow as ErasureTable } from "./tables.ts";

type ErasureRow = Selectable<ErasureTable>;

/** What was removed, by kind. */
export interface ErasedCounts {
  readonly connections: number;
  readonly accounts: number;
  readonly transactions: number;
  readonly syncRuns: number;
  readonly webhookEvents: number;
  readonly connectAttempts: number;
  /** Queued at providers. */
  readonly revocations: number;
  readonly dataKeys: number;
}

/** An erasure; whose it is only as long as it runs. */
export interface Erasure {
  readonly tenant: string;
  readonly erasureId: string;
  readonly userId: string | undefined;
  readonly counts: ErasedCounts;
  readonly requestedAt: Date;
  readonly completedAt: Date | undefined;
}

/** In whose name the secrets still to be revoked are kept once their owner is gone: it names nobody, and has keys of its own. */
export function erasedOwner(erasureId: string): Owner {
  return { tenant: "operator", userId: `erased:${erasureId}` };
}

/** Begins an erasure, or finds the one that runs; nobody else goes on with it before `leaseUntil`. */
export async function beginErasure(
  storage: Pick<Storage, "auditKey">,
  tx: Tx,
  begin: { owner: Owner; erasureId: string; actor: Actor; now: Date; leaseUntil: Date },
): Promise<Erasure> {
  const { owner, now } = begin;
  const row = await tx
    .insertInto("erasures")
    .values({
      tenant: owner.tenant,
      erasure_id: begin.erasureId,
      owner_hash: ownerHash(storage.auditKey, owner),
      user_id: owner.userId,
      state: "running",
      // A user who asks for himself is not named: this row outlives him.
      requested_by: begin.actor.name.startsWith("user:") ? "user" : begin.actor.name,
      requested_at: now,
      due_at: begin.leaseUntil,
      completed_at: null,
    })
    .onConflict((conflict) => conflict.columns(["tenant", "user_id"]).where("state", "=", "running").doNothing())
    .returningAll()
    .executeTakeFirst();
  const found =
    row ??
    (await tx
      .selectFrom("erasures")
      .selectAll()
      .where("tenant", "=", owner.tenant)
      .where("user_id", "=", owner.userId)
      .where("state", "=", "running")
      .executeTakeFirstOrThrow());
  return toErasure(found);
}

/** Takes a running erasure that nobody works on until `leaseUntil`. */
export async function claimErasure(db: Queryable, now: Date, leaseUntil: Date): Promise<Erasure | undefined> {
  const row = await db
    .updateTable("erasures")
    .set({ due_at: leaseUntil })
    .where(
      sql<boolean>`(tenant, erasure_id) = (select tenant, erasure_id from erasures
        where state = 'running' and due_at <= ${now}::timestamptz order by due_at limit 1 for update skip locked)`,
    )
    .returningAll()
    .executeTakeFirst();
  return row && toErasure(row);
}

/** An erasure as it stands. */
export async function findErasure(
  db: Queryable,
  key: { readonly tenant: string; readonly erasureId: string },
): Promise<Erasure | undefined> {
  const row = await db
    .selectFrom("erasures")
    .selectAll()
    .where("tenant", "=", key.tenant)
    .where("erasure_id", "=", key.erasureId)
    .executeTakeFirst();
  return row && toErasure(row);
}

const countColumns = {
  connections: "connections",
  accounts: "accounts",
  transactions: "transactions",
  syncRuns: "sync_runs",
  webhookEvents: "webhook_events",
  connectAttempts: "connect_attempts",
  revocations: "revocations",
  dataKeys: "data_keys",
} as const satisfies Record<keyof ErasedCounts, keyof ErasureRow>;

/** Adds to the report, in the transaction that removes, so that a repeat after a crash counts nothing twice. */
export async function countErased(tx: Tx, erasure: Erasure, removed: Partial<ErasedCounts>): Promise<void> {
  const added = Object.entries(removed).filter(([, count]) => count > 0);
  if (added.length === 0) return;
  const columns = Object.entries(countColumns).flatMap(([name, column]) => {
    const count = added.find(([kind]) => kind === name)?.[1];
    return count === undefined ? [] : [sql`${sql.ref(column)} = ${sql.ref(column)} + ${count}::integer`];
  });
  await sql`update erasures set ${sql.join(columns)}
    where tenant = ${erasure.tenant} and erasure_id = ${erasure.erasureId}::uuid`.execute(tx);
}

/** Ends an erasure: from here on nothing says who it was, in the audit neither. Call it after the last audit entry. */
export async function completeErasure(
  storage: Pick<Storage, "auditKey">,
  tx: Tx,
  done: { erasure: Erasure; owner: Owner; now: Date },
): Promise<void> {
  const { erasure, owner, now } = done;
  await tx
    .updateTable("erasures")
    .set({ state: "completed", user_id: null, completed_at: now })
    .where("tenant", "=", erasure.tenant)
    .where("erasure_id", "=", erasure.erasureId)
    .execute();
  await forgetOwner(tx, owner.tenant, ownerHash(storage.auditKey, owner));
}

/** Removes what the audit's side tables know of an owner. */
async function forgetOwner(db: Queryable, tenant: string, hash: Uint8Array): Promise<void> {
  for (const table of ["audit_owners", "audit_persons"] as const) {
    await db.deleteFrom(table).where("tenant", "=", tenant).where("owner_hash", "=", Buffer.from(hash)).execute();
  }
}

/**
 * In whose name tokens are kept that came for a user after his rows were removed, until they are revoked: the newest erasure's, which
 * `tidyErasures` then looks after once more. Undefined when he was never erased.
 */
export async function reviveErasure(
  storage: Pick<Storage, "auditKey">,
  tx: Tx,
  owner: Owner,
): Promise<Owner | undefined> {
  const { rows } = await sql<{ erasure_id: string }>`
    update erasures set revoked_at = null where (tenant, erasure_id) = (
      select tenant, erasure_id from erasures
      where tenant = ${owner.tenant} and owner_hash = ${Buffer.from(ownerHash(storage.auditKey, owner))}
      order by requested_at desc limit 1)
    returning erasure_id`.execute(tx);
  return rows[0] && erasedOwner(rows[0].erasure_id);
}

/**
 * Looks after erasures that are done: destroys the keys of those whose last revocation has ended, and forgets what an act that was under
 * way at the moment of the erasure has told of its owner.
 */
export async function tidyErasures(storage: Pick<Storage, "db">, now: Date, limit: number): Promise<void> {
  const db = storage.db.query;
  const rows = await db
    .selectFrom("erasures")
    .select(["tenant", "erasure_id"])
    .where("state", "=", "completed")
    .where("revoked_at", "is", null)
    .orderBy("completed_at")
    .limit(limit)
    .execute();
  for (const row of rows) await inTransaction(storage.db, (tx) => destroyKeptKeys(tx, row, now));
  const recent = await db
    .selectFrom("erasures")
    .select(["tenant", "owner_hash"])
    .where("state", "=", "completed")
    .where(sql<boolean>`completed_at > ${now}::timestamptz - interval '1 hour'`)
    .limit(limit)
    .execute();
  for (const row of recent) await forgetOwner(db, row.tenant, row.owner_hash);
}

async function destroyKeptKeys(tx: Tx, erasure: { tenant: string; erasure_id: string }, now: Date): Promise<void> {
  const { tenant, erasure_id: erasureId } = erasure;
  // First the lock, then a look: whoever adds a revocation holds the row, and has committed by then.
  await sql`select from erasures where tenant = ${tenant} and erasure_id = ${erasureId}::uuid for update`.execute(tx);
  const { tenant: keyTenant, userId } = erasedOwner(erasureId);
  await sql`with ended as (
      update erasures set revoked_at = ${now}::timestamptz
      where tenant = ${tenant} and erasure_id = ${erasureId}::uuid
        and not exists (select from revocations where tenant = ${keyTenant} and user_id = ${userId})
      returning erasure_id)
    delete from data_keys using ended where tenant = ${keyTenant} and user_id = ${userId}`.execute(tx);
}

function toErasure(row: ErasureRow): Erasure {
  return {
    tenant: row.tenant,
    erasureId: row.erasure_id,
    userId: row.user_id ?? undefined,
    counts: {
      connections: row.connections,
      accounts: row.accounts,
      transactions: row.transactions,
      syncRuns: row.sync_runs,
      webhookEvents: row.webhook_events,
      connectAttempts: row.connect_attempts,
      revocations: row.revocations,
      dataKeys: row.data_keys,
    },
    requestedAt: row.requested_at,
    completedAt: row.completed_at ?? undefined,
  };
}
