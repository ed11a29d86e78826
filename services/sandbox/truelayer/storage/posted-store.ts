import type { Selectable } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { postedEntry, postedLinesMax } from "../../kit/domain/statement.ts";
import type { Category, Entry } from "../domain/town.ts";
import type { TrueLayerTables } from "./tables.ts";

/** A transaction as the control API posts it. Minor units; the sign as in `Entry`. */
export interface PostedTransaction {
  readonly id: string;
  readonly accountId: string;
  readonly at: Date;
  readonly minor: bigint;
  readonly description: string;
  readonly merchant: string | null;
  readonly category: Category;
  readonly pending: boolean;
}

/** Transactions beside the regular statements. */
export interface PostedStore {
  add(posted: PostedTransaction): Promise<void>;
  list(accountId: string): Promise<readonly Entry[]>;
  clear(): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createPostedStore(db: Database<TrueLayerTables>): PostedStore {
  return {
    async add({ id, accountId, ...posted }) {
      await db.query
        .insertInto("posted_transactions")
        .values({ posted_id: id, account_id: accountId, ...posted })
        .execute();
    },
    async list(accountId) {
      const rows = await db.query
        .selectFrom("posted_transactions")
        .selectAll()
        .where("account_id", "=", accountId)
        .orderBy("at")
        .limit(postedLinesMax)
        .execute();
      return rows.map(entryOf);
    },
    async clear() {
      await db.query.deleteFrom("posted_transactions").execute();
    },
  };
}

function entryOf(row: Selectable<TrueLayerTables["posted_transactions"]>): Entry {
  // Only `add` writes the category.
  const category = { category: row.category as Category, classification: [] };
  return postedEntry(row, { category, merchant: row.merchant });
}
