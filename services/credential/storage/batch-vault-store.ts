import { sql } from "kysely";
import type { StoredDataKey, VaultOwner, VaultStore } from "../../platform/vault/vault-store.ts";
import type { Tx } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

// Far below any limit a vault has: whoever comes near it goes the ordinary way.
const sealsCountedAtOnceMax = 1_000_000;

/** How many secrets of an owner are about to be sealed. */
export interface SealsWanted {
  readonly owner: VaultOwner;
  readonly seals: number;
}

/**
 * A vault store for a batch: counts the seals of every owner in one statement. Owners without a current data key, or near its end,
 * are counted one by one as ever.
 */
export async function countSealsAhead(tx: Tx, wanted: readonly SealsWanted[]): Promise<VaultStore> {
  const single = createVaultStore(tx);
  const counted = await count(tx, sumByOwner(wanted));
  return {
    ...single,
    countSeals: async (owner, seals, sealsMax) => {
      const ahead = counted.get(ownerName(owner));
      const isCounted = ahead !== undefined && ahead.left >= seals && ahead.total <= sealsMax;
      if (!isCounted) return await single.countSeals(owner, seals, sealsMax);
      ahead.left -= seals;
      return { ...ahead.key, seals: ahead.total };
    },
  };
}

interface Counted {
  readonly key: StoredDataKey;
  readonly total: bigint;
  left: number;
}

async function count(tx: Tx, wanted: readonly SealsWanted[]): Promise<Map<string, Counted>> {
  const tenants = wanted.map(({ owner }) => owner.tenant);
  const users = wanted.map(({ owner }) => owner.userId);
  const counts = wanted.map(({ seals }) => seals);
  const { rows } = await sql<DataKeyRow>`
    update data_keys set seals = data_keys.seals + wanted.seals
    from unnest(${tenants}::text[], ${users}::text[], ${counts}::integer[]) as wanted (tenant, user_id, seals)
    where data_keys.tenant = wanted.tenant and data_keys.user_id = wanted.user_id and data_keys.is_current
      and data_keys.seals < ${sealsCountedAtOnceMax}
    returning data_keys.tenant, data_keys.user_id, data_keys.data_key_id, data_keys.master_key_version,
      data_keys.wrapped, data_keys.seals as total, wanted.seals`.execute(tx);
  return new Map(
    rows.map((row) => {
      const owner = { tenant: row.tenant, userId: row.user_id };
      const key = {
        dataKeyId: row.data_key_id,
        owner,
        masterKeyVersion: row.master_key_version,
        wrapped: row.wrapped,
      };
      return [ownerName(owner), { key, total: row.total, left: row.seals }];
    }),
  );
}

interface DataKeyRow {
  readonly tenant: string;
  readonly user_id: string;
  readonly data_key_id: string;
  readonly master_key_version: number;
  readonly wrapped: Uint8Array;
  readonly total: bigint;
  readonly seals: number;
}

/** In one order, so that two batches do not wait for each other. */
function sumByOwner(wanted: readonly SealsWanted[]): SealsWanted[] {
  const sums = new Map<string, SealsWanted>();
  for (const { owner, seals } of wanted) {
    const name = ownerName(owner);
    sums.set(name, { owner, seals: seals + (sums.get(name)?.seals ?? 0) });
  }
  return [...sums].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, sum]) => sum);
}

function ownerName(owner: VaultOwner): string {
  return `${owner.tenant}\0${owner.userId}`;
}
