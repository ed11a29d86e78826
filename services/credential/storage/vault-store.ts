import { type Kysely, sql } from "kysely";
import type { CountedDataKey, StoredDataKey, VaultOwner, VaultStore } from "../../platform/vault/vault-store.ts";
import { addMasterKey, listMasterKeys, lockCurrentVersion, makeCurrentIfNone } from "./master-key-store.ts";
import type { Tables } from "./tables.ts";

/** The vault's rows, on a pool or inside the caller's transaction. */
export function createVaultStore(db: Kysely<Tables>): VaultStore {
  return {
    countSeals: (owner, seals, sealsMax) => countSeals(db, owner, seals, sealsMax),
    addDataKey: (key, sealsMax) => addDataKey(db, key, sealsMax),
    findDataKey: async (owner, dataKeyId) => {
      const row = await db
        .selectFrom("data_keys")
        .select(["data_key_id", "master_key_version", "wrapped"])
        .where("tenant", "=", owner.tenant)
        .where("user_id", "=", owner.userId)
        .where("data_key_id", "=", dataKeyId)
        .executeTakeFirst();
      return row && toDataKey(row, owner);
    },
    listMasterKeys: () => listMasterKeys(db),
    addMasterKey: (key) => addMasterKey(db, key),
    makeCurrentIfNone: (version) => makeCurrentIfNone(db, version),
    lockCurrentVersion: () => lockCurrentVersion(db),
    listMasterKeyVersionsInUse: async () => {
      const { rows } = await sql<{ version: number }>`
        select master_key_version as version from data_keys
        union select master_key_version from vault_installation_keys`.execute(db);
      return rows.map((row) => row.version);
    },
    findInstallationKey: async (name) => {
      const row = await db
        .selectFrom("vault_installation_keys")
        .select(["master_key_version", "wrapped"])
        .where("name", "=", name)
        .executeTakeFirst();
      return row && { name, masterKeyVersion: row.master_key_version, wrapped: row.wrapped };
    },
    addInstallationKey: async ({ name, masterKeyVersion, wrapped }) => {
      const result = await db
        .insertInto("vault_installation_keys")
        .values({ name, master_key_version: masterKeyVersion, wrapped: Buffer.from(wrapped) })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 1n;
    },
  };
}

async function countSeals(
  db: Kysely<Tables>,
  owner: VaultOwner,
  seals: number,
  sealsMax: bigint,
): Promise<CountedDataKey | undefined> {
  const row = await db
    .updateTable("data_keys")
    .set({ seals: sql<bigint>`seals + ${seals}::integer` })
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("is_current", "=", true)
    .where("seals", "<", sealsMax)
    .returning(["data_key_id", "master_key_version", "wrapped", "seals"])
    .executeTakeFirst();
  return row && { ...toDataKey(row, owner), seals: row.seals };
}

async function addDataKey(db: Kysely<Tables>, key: StoredDataKey, sealsMax: bigint): Promise<void> {
  await db
    .updateTable("data_keys")
    .set({ is_current: false })
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("is_current", "=", true)
    .where("seals", ">=", sealsMax)
    .execute();
  // The sequence counts the wrap. The partial unique index on current keys: whoever was first made the key.
  await sql`
    insert into data_keys (tenant, user_id, data_key_id, master_key_version, wrapped)
    select ${key.owner.tenant}, ${key.owner.userId}, ${key.dataKeyId}::uuid, ${key.masterKeyVersion}::integer,
      ${Buffer.from(key.wrapped)}::bytea
    from nextval('vault_wraps')
    on conflict do nothing`.execute(db);
}

/** A row as the vault sees it. */
export function toDataKey(
  row: { data_key_id: string; master_key_version: number; wrapped: Uint8Array },
  owner: VaultOwner,
): StoredDataKey {
  return { dataKeyId: row.data_key_id, owner, masterKeyVersion: row.master_key_version, wrapped: row.wrapped };
}
