import { randomUUID } from "node:crypto";
import type { Database } from "../../../platform/db/open-database.ts";
import { postedEntry, postedKey, postedLinesMax } from "../../kit/domain/statement.ts";
import type { Entry } from "../domain/town.ts";
import type { MastercardTables } from "./tables.ts";

/** What stands on accounts beside their regular statements, and what is gone from those. */
export interface PostedStore {
  /** Puts a transaction onto an account; its key. Minor units, as the balance grows. */
  add(posted: { accountId: bigint; at: Date; minor: bigint; description: string; pending: boolean }): Promise<string>;
  list(accountId: bigint): Promise<readonly Entry[]>;
  /** The institution forgets these transactions. */
  shadow(accountId: bigint, entryKeys: readonly string[]): Promise<void>;
  shadows(accountId: bigint): Promise<ReadonlySet<string>>;
}

/** Opens the store on the sandbox's schema. */
export function createPostedStore(db: Database<MastercardTables>): PostedStore {
  return {
    async add({ accountId, ...posted }) {
      const id = randomUUID();
      await db.query
        .insertInto("posted_transactions")
        .values({ posted_id: id, account_id: accountId, ...posted })
        .execute();
      return postedKey(id);
    },
    async list(accountId) {
      const rows = await db.query
        .selectFrom("posted_transactions")
        .selectAll()
        .where("account_id", "=", accountId)
        .orderBy("at")
        .limit(postedLinesMax)
        .execute();
      return rows.map((row) => postedEntry(row, { category: { category: "Uncategorized", type: "other" } }));
    },
    async shadow(accountId, entryKeys) {
      if (entryKeys.length === 0) return;
      await db.query
        .insertInto("shadow_transactions")
        .values(entryKeys.map((key) => ({ account_id: accountId, entry_key: key })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    async shadows(accountId) {
      const rows = await db.query
        .selectFrom("shadow_transactions")
        .select("entry_key")
        .where("account_id", "=", accountId)
        .execute();
      return new Set(rows.map((row) => row.entry_key));
    },
  };
}
