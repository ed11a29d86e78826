import type { Database } from "../../../platform/db/open-database.ts";
import type { ShopTables } from "./tables.ts";

const sweepRowsMax = 500;

/** A browser known by its cookie. */
export interface Visitor {
  readonly sessionId: string;
}

/** Visitors' sessions, found by the hash of their cookie. */
export interface VisitorStore {
  find(tokenHash: Buffer, now: Date): Promise<Visitor | undefined>;
  create(visitor: { sessionId: string; tokenHash: Buffer; expiresAt: Date }): Promise<void>;
  /** Deletes some expired sessions and their carts; orders stay. Returns how many. */
  sweep(now: Date): Promise<number>;
}

/** Opens the store on the shop's schema. */
export function createVisitorStore(db: Database<ShopTables>): VisitorStore {
  return {
    async find(tokenHash, now) {
      const row = await db.query
        .selectFrom("shop_sessions")
        .select("session_id")
        .where("token_hash", "=", tokenHash)
        .where("expires_at", ">", now)
        .executeTakeFirst();
      return row === undefined ? undefined : { sessionId: row.session_id };
    },
    async create({ sessionId, tokenHash, expiresAt }) {
      await db.query
        .insertInto("shop_sessions")
        .values({ session_id: sessionId, token_hash: tokenHash, expires_at: expiresAt })
        .execute();
    },
    async sweep(now) {
      const result = await db.query
        .deleteFrom("shop_sessions")
        .where("session_id", "in", (query) =>
          query.selectFrom("shop_sessions").select("session_id").where("expires_at", "<=", now).limit(sweepRowsMax),
        )
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}
