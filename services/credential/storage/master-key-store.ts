import { sql } from "kysely";
import type { StoredMasterKey } from "../../platform/vault/vault-store.ts";
import type { Queryable, Tx } from "./storage.ts";

/** Every version that was ever used here, oldest first. */
export async function listMasterKeys(db: Queryable): Promise<StoredMasterKey[]> {
  const rows = await db.selectFrom("vault_canaries").selectAll().orderBy("master_key_version").execute();
  return rows.map((row) => ({
    version: row.master_key_version,
    canary: row.sealed,
    wrapped: row.wrapped_key ?? undefined,
    isCurrent: row.is_current,
    isRetired: row.retired_at !== null,
  }));
}

/** Stores a version unless there is one; true when stored. */
export async function addMasterKey(
  db: Queryable,
  key: Omit<StoredMasterKey, "isCurrent" | "isRetired">,
): Promise<boolean> {
  const result = await db
    .insertInto("vault_canaries")
    .values({
      master_key_version: key.version,
      sealed: Buffer.from(key.canary),
      wrapped_key: key.wrapped === undefined ? null : Buffer.from(key.wrapped),
      wraps_before: sql<bigint>`(select last_value from vault_wraps)`,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** Makes a version current when none is. */
export async function makeCurrentIfNone(db: Queryable, version: number): Promise<void> {
  await sql`update vault_canaries set is_current = true
    where master_key_version = ${version}::integer and retired_at is null
      and not exists (select from vault_canaries where is_current)`.execute(db);
}

/** The current version. It stays current, and so is not retired, until the caller's transaction ends. */
export async function lockCurrentVersion(db: Queryable): Promise<number> {
  // Whoever waited for a rotation finds the row he waited for current no more, and asks anew.
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const { rows } = await sql<{ version: number }>`
      select master_key_version as version from vault_canaries where is_current for share`.execute(db);
    const [row] = rows;
    if (row !== undefined) return row.version;
  }
  throw new Error("no master key is current");
}

/** Makes a version current. Waits for those who are wrapping by the one before. False for a version unknown or retired. */
export async function makeCurrent(tx: Tx, version: number): Promise<boolean> {
  await sql`update vault_canaries set is_current = false where is_current and master_key_version <> ${version}::integer`.execute(
    tx,
  );
  const result = await tx
    .updateTable("vault_canaries")
    .set({ is_current: true })
    .where("master_key_version", "=", version)
    .where("retired_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** How a version stands. */
export interface MasterKeyStanding {
  readonly version: number;
  readonly isCurrent: boolean;
  readonly isRetired: boolean;
  readonly isKept: boolean;
  /** Keys wrapped by it now. */
  readonly dataKeys: bigint;
  readonly installationKeys: bigint;
  /** Wraps it has made since it came; never fewer, some more where several versions were at work. */
  readonly wrapsMax: bigint;
}

/** How every version stands, oldest first. */
export async function standingsOfMasterKeys(db: Queryable): Promise<MasterKeyStanding[]> {
  const { rows } = await sql<{
    version: number;
    is_current: boolean;
    is_retired: boolean;
    is_kept: boolean;
    data_keys: bigint;
    installation_keys: bigint;
    wraps_max: bigint;
  }>`
    select c.master_key_version as version, c.is_current, c.retired_at is not null as is_retired,
      c.wrapped_key is not null as is_kept,
      (select count(*) from data_keys k where k.master_key_version = c.master_key_version) as data_keys,
      (select count(*) from vault_installation_keys k where k.master_key_version = c.master_key_version)
        as installation_keys,
      w.last_value - c.wraps_before as wraps_max
    from vault_canaries c, vault_wraps w order by version`.execute(db);
  return rows.map((row) => ({
    version: row.version,
    isCurrent: row.is_current,
    isRetired: row.is_retired,
    isKept: row.is_kept,
    dataKeys: row.data_keys,
    installationKeys: row.installation_keys,
    wrapsMax: row.wraps_max,
  }));
}

/** Why a version was not retired. */
export type RetireRefusal = "unknown" | "current" | "in_use";

/** Retires a version for good: nothing is wrapped by it, or it is refused. Repeating it is harmless. */
export async function retireMasterKey(tx: Tx, version: number): Promise<RetireRefusal | undefined> {
  // The lock waits for a transaction that is wrapping by this version; none begins while it is held.
  const row = await tx
    .selectFrom("vault_canaries")
    .select(["is_current", "retired_at"])
    .where("master_key_version", "=", version)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) return "unknown";
  if (row.is_current) return "current";
  const { rows } = await sql<{ used: boolean }>`
    select exists (select from data_keys where master_key_version = ${version}::integer)
      or exists (select from vault_installation_keys where master_key_version = ${version}::integer) as used`.execute(
    tx,
  );
  if (rows[0]?.used !== false) return "in_use";
  await sql`update vault_canaries set retired_at = coalesce(retired_at, now())
    where master_key_version = ${version}::integer`.execute(tx);
  return undefined;
}
