import { createBatcher } from "../../platform/db/batcher.ts";
import type { HotStatement } from "../../platform/db/hot-statements.ts";
import type { Database } from "../../platform/db/open-database.ts";
import type { StoredDataKey, VaultOwner, VaultStore } from "../../platform/vault/vault-store.ts";
import { isRowFault } from "./row-fault.ts";
import type { Tables } from "./tables.ts";
import { createVaultStore } from "./vault-store.ts";

const limits = { rowsMax: 256, flightsMax: 2, waitingMax: 20_000, isRowFault } as const;

interface WantedKey {
  readonly owner: VaultOwner;
  readonly dataKeyId: string;
}

/**
 * A vault store outside of transactions whose data keys are looked up by one statement when they are asked for together. Never before
 * they are asked for: a key that was destroyed until then is not found.
 */
export function createDataKeyReads(db: Pick<Database<Tables>, "hot" | "query">): VaultStore {
  const batcher = createBatcher<WantedKey, StoredDataKey | undefined>({
    flush: (wanted) => findAll(db, wanted),
    ...limits,
  });
  return {
    ...createVaultStore(db.query),
    findDataKey: (owner, dataKeyId) => batcher.add({ owner, dataKeyId }),
  };
}

interface KeyRow {
  readonly asked: bigint;
  readonly master_key_version: number;
  readonly wrapped: Uint8Array;
}

// Lateral with a limit: each row is found by its whole key, the owner in it.
const findDataKeys: HotStatement = {
  name: "credential_find_data_keys",
  text: `select asked.position as asked, key.master_key_version, key.wrapped
    from unnest($1::text[], $2::text[], $3::uuid[]) with ordinality as asked (tenant, user_id, data_key_id, position)
    cross join lateral (
      select master_key_version, wrapped from data_keys
      where tenant = asked.tenant and user_id = asked.user_id and data_key_id = asked.data_key_id limit 1
    ) as key`,
};

async function findAll(
  db: Pick<Database<Tables>, "hot">,
  wanted: readonly WantedKey[],
): Promise<(StoredDataKey | undefined)[]> {
  const rows = await db.hot<KeyRow>(findDataKeys, [
    wanted.map(({ owner }) => owner.tenant),
    wanted.map(({ owner }) => owner.userId),
    wanted.map(({ dataKeyId }) => dataKeyId),
  ]);
  const byPlace = new Map(rows.map((row) => [Number(row.asked) - 1, row]));
  return wanted.map(({ owner, dataKeyId }, place) => {
    const row = byPlace.get(place);
    return row && { dataKeyId, owner, masterKeyVersion: row.master_key_version, wrapped: row.wrapped };
  });
}
