import type { Database } from "../../../platform/db/open-database.ts";
import { postedEntry, postedLinesMax } from "../../kit/domain/statement.ts";
import type { Entry, LineKind } from "../domain/town.ts";
import type { WiseTables } from "./tables.ts";

/** A transaction as the control API posts it. Minor units; below zero leaves the balance. */
export interface PostedTransaction {
  readonly id: string;
  readonly balanceId: bigint;
  readonly at: Date;
  readonly minor: bigint;
  readonly description: string;
  readonly kind: LineKind;
  /** Reserved for a day and two hours, then booked. */
  readonly pending: boolean;
}

/** Transactions beside the regular statements. */
export interface PostedStore {
  add(posted: PostedTransaction): Promise<void>;
  list(balanceId: bigint): Promise<readonly Entry[]>;
  clear(): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createPostedStore(db: Database<WiseTables>): PostedStore {
  return {
    async add({ id, balanceId, ...posted }) {
      await db.query
        .insertInto("posted_transactions")
        .values({ posted_id: id, balance_id: balanceId, ...posted })
        .execute();
    },
    async list(balanceId) {
      const rows = await db.query
        .selectFrom("posted_transactions")
        .selectAll()
        .where("balance_id", "=", balanceId)
        .orderBy("at")
        .limit(postedLinesMax)
        .execute();
      return rows.map((row) => postedEntry(row, { category: { kind: row.kind, category: null } }));
    },
    async clear() {
      await db.query.deleteFrom("posted_transactions").execute();
    },
  };
}
