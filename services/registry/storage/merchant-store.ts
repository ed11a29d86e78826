import type { Selectable } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { KeySummary } from "../domain/access-key.ts";
import type { Merchant } from "../domain/merchant.ts";
import { readKeys } from "./access-key-store.ts";
import { lockName, nextRevision } from "./revision.ts";
import type { MerchantRow, RegistryDatabase } from "./tables.ts";

/** The rows of merchants. */
export interface MerchantStore {
  /** Creates a merchant or changes name and status; equal facts write nothing, an absent status leaves the stored one. */
  put(facts: {
    id: string;
    name: string;
    status: "active" | "inactive" | undefined;
  }): Promise<{ merchant: Merchant; created: boolean }>;
  /** By id, after `after`. */
  list(page: { after: string; limit: number }): Promise<Merchant[]>;
}

/** A store over the registry's schema. */
export function createMerchantStore(deps: { db: RegistryDatabase; clock: Clock }): MerchantStore {
  const { db, clock } = deps;
  return {
    put: (facts) =>
      inTransaction(db, async (tx) => {
        await lockName(tx, `merchant:${facts.id}`);
        const stored = await tx
          .selectFrom("merchants")
          .selectAll()
          .where("id", "=", facts.id)
          .forUpdate()
          .executeTakeFirst();
        const status = facts.status ?? stored?.status ?? "active";
        const keys = (await readKeys(tx, "merchant", [facts.id])).get(facts.id) ?? [];
        if (stored?.name === facts.name && stored.status === status) {
          return { merchant: merchantOf(stored, keys), created: false };
        }
        const now = clock.now();
        const change = { name: facts.name, status, revision: await nextRevision(tx), updated_at: now };
        const row = await tx
          .insertInto("merchants")
          .values({ id: facts.id, created_at: now, ...change })
          .onConflict((conflict) => conflict.column("id").doUpdateSet(change))
          .returningAll()
          .executeTakeFirstOrThrow();
        return { merchant: merchantOf(row, keys), created: stored === undefined };
      }),
    list: async ({ after, limit }) => {
      const rows = await db.query
        .selectFrom("merchants")
        .selectAll()
        .where("id", ">", after)
        .orderBy("id")
        .limit(limit)
        .execute();
      const keys = await readKeys(
        db.query,
        "merchant",
        rows.map((row) => row.id),
      );
      return rows.map((row) => merchantOf(row, keys.get(row.id) ?? []));
    },
  };
}

/** A stored row as the domain sees it. */
export function merchantOf(row: Selectable<MerchantRow>, keys: readonly KeySummary[]): Merchant {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    keys,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
