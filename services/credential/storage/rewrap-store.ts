import { sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import { rewrapInstallationKey } from "../../platform/vault/installation-keys.ts";
import type { Keyring } from "../../platform/vault/keyring.ts";
import { rewrapDataKey } from "../../platform/vault/vault.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { toDataKey } from "./vault-store.ts";

/** Makes rotations decide one after the other, until the transaction ends. */
export async function lockRotations(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('paymesh master key rotation', 0))`.execute(tx);
}

/** Whether anything is wrapped by another version than this one. */
export async function hasKeysToRewrap(db: Queryable, version: number): Promise<boolean> {
  const { rows } = await sql<{ left: boolean }>`
    select exists (select from data_keys where master_key_version <> ${version}::integer)
      or exists (select from vault_installation_keys where master_key_version <> ${version}::integer) as left`.execute(
    db,
  );
  return rows[0]?.left === true;
}

/** How many data keys are wrapped by another version than this one. */
export async function countKeysToRewrap(storage: Pick<Storage, "db">, version: number): Promise<bigint> {
  const { rows } = await sql<{ count: bigint }>`
    select count(*) as count from data_keys where master_key_version <> ${version}::integer`.execute(storage.db.query);
  return rows[0]?.count ?? 0n;
}

/**
 * Wraps up to `limit` data keys by this version, in one transaction; returns how many. Keys that someone else is using or wrapping
 * at that moment are passed over, so that nobody waits for a rotation, nor a rotation for another.
 */
export async function rewrapBatch(
  storage: Pick<Storage, "db">,
  work: { readonly keyring: Keyring; readonly version: number; readonly limit: number },
): Promise<number> {
  const { keyring, version, limit } = work;
  return await inTransaction(storage.db, async (tx) => {
    const { rows } = await sql<{
      tenant: string;
      user_id: string;
      data_key_id: string;
      master_key_version: number;
      wrapped: Uint8Array;
    }>`select tenant, user_id, data_key_id, master_key_version, wrapped from data_keys
       where master_key_version <> ${version}::integer limit ${limit} for update skip locked`.execute(tx);
    if (rows.length === 0) return 0;
    const rewrapped = rows.map((row) =>
      rewrapDataKey(keyring, toDataKey(row, { tenant: row.tenant, userId: row.user_id }), version),
    );
    await sql`update data_keys set master_key_version = ${version}::integer, wrapped = done.wrapped
      from unnest(${rows.map((row) => row.tenant)}::text[], ${rows.map((row) => row.user_id)}::text[],
        ${rows.map((row) => row.data_key_id)}::uuid[], ${rewrapped.map((key) => Buffer.from(key.wrapped))}::bytea[])
        as done (tenant, user_id, data_key_id, wrapped)
      where (data_keys.tenant, data_keys.user_id, data_keys.data_key_id) = (done.tenant, done.user_id, done.data_key_id)`.execute(
      tx,
    );
    await sql`select count(nextval('vault_wraps')) from generate_series(1, ${rows.length}::integer)`.execute(tx);
    return rows.length;
  });
}

/** Wraps the installation's own keys by this version. */
export async function rewrapInstallationKeys(
  storage: Pick<Storage, "db">,
  work: { readonly keyring: Keyring; readonly version: number },
): Promise<void> {
  const { keyring, version } = work;
  await inTransaction(storage.db, async (tx) => {
    const rows = await tx
      .selectFrom("vault_installation_keys")
      .select(["name", "master_key_version", "wrapped"])
      .where("master_key_version", "<>", version)
      .orderBy("name")
      .forUpdate()
      .execute();
    for (const { name, master_key_version: masterKeyVersion, wrapped } of rows) {
      const anew = rewrapInstallationKey(keyring, { name, masterKeyVersion, wrapped }, version);
      await tx
        .updateTable("vault_installation_keys")
        .set({ master_key_version: version, wrapped: anew })
        .where("name", "=", name)
        .execute();
    }
  });
}
