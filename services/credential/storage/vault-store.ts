import { type Kysely, sql } from "kysely";
import type { StoredDataKey, VaultOwner, VaultStore } from "../../platform/vault/vault-store.ts";
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
    listCanaries: async () => {
      const rows = await db.selectFrom("vault_canaries").select(["master_key_version", "sealed"]).execute();
      return rows.map((row) => ({ masterKeyVersion: row.master_key_version, sealed: row.sealed }));
    },
    addCanary: async (canary) => {
      const result = await db
        .insertInto("vault_canaries")
        .values({ master_key_version: canary.masterKeyVersion, sealed: Buffer.from(canary.sealed) })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 1n;
    },
    listMasterKeyVersionsInUse: async () => {
      const rows = await db.selectFrom("data_keys").select("master_key_version").distinct().execute();
      return rows.map((row) => row.master_key_version);
    },
  };
}

async function countSeals(
  db: Kysely<Tables>,
  owner: VaultOwner,
  seals: number,
  sealsMax: bigint,
): Promise<StoredDataKey | undefined> {
  const row = await db
    .updateTable("data_keys")
    .set({ seals: sql<bigint>`seals + ${seals}::integer` })
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("is_current", "=", true)
    .where("seals", "<", sealsMax)
    .returning(["data_key_id", "master_key_version", "wrapped"])
    .executeTakeFirst();
  return row && toDataKey(row, owner);
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
  await db
    .insertInto("data_keys")
    .values({
      tenant: key.owner.tenant,
      user_id: key.owner.userId,
      data_key_id: key.dataKeyId,
      master_key_version: key.masterKeyVersion,
      wrapped: Buffer.from(key.wrapped),
    })
    // The partial unique index on current keys: whoever was first made the key.
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function toDataKey(
  row: { data_key_id: string; master_key_version: number; wrapped: Uint8Array },
  owner: VaultOwner,
): StoredDataKey {
  return { dataKeyId: row.data_key_id, owner, masterKeyVersion: row.master_key_version, wrapped: row.wrapped };
}
