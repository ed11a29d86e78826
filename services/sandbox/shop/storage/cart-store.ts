import { sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { quantityMax } from "../domain/catalogue.ts";
import type { ShopTables } from "./tables.ts";

/** What lies in a visitor's cart: product ids and how many. */
export interface CartEntry {
  readonly productId: string;
  readonly quantity: number;
}

/** Carts, one for each visitor. */
export interface CartStore {
  list(sessionId: string): Promise<readonly CartEntry[]>;
  /** Puts one more piece in, up to the most a cart takes. */
  add(sessionId: string, productId: string): Promise<void>;
  /** Sets how many; 0 takes the product out. */
  set(sessionId: string, productId: string, quantity: number): Promise<void>;
}

/** Opens the store on the shop's schema. */
export function createCartStore(db: Database<ShopTables>): CartStore {
  return {
    async list(sessionId) {
      const rows = await db.query
        .selectFrom("cart_lines")
        .select(["product_id", "quantity"])
        .where("session_id", "=", sessionId)
        .orderBy("product_id")
        .execute();
      return rows.map((row) => ({ productId: row.product_id, quantity: row.quantity }));
    },
    async add(sessionId, productId) {
      await db.query
        .insertInto("cart_lines")
        .values({ session_id: sessionId, product_id: productId, quantity: 1 })
        .onConflict((conflict) =>
          conflict
            .columns(["session_id", "product_id"])
            .doUpdateSet({ quantity: sql<number>`least(cart_lines.quantity + 1, ${sql.lit(quantityMax)})` }),
        )
        .execute();
    },
    async set(sessionId, productId, quantity) {
      const row = db.query
        .deleteFrom("cart_lines")
        .where("session_id", "=", sessionId)
        .where("product_id", "=", productId);
      if (quantity <= 0) {
        await row.execute();
        return;
      }
      const capped = Math.min(quantity, quantityMax);
      await db.query
        .insertInto("cart_lines")
        .values({ session_id: sessionId, product_id: productId, quantity: capped })
        .onConflict((conflict) => conflict.columns(["session_id", "product_id"]).doUpdateSet({ quantity: capped }))
        .execute();
    },
  };
}
