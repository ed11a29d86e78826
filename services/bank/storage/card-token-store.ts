import { sql } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import type { CardToken } from "../domain/authorize.ts";
import type { CardTokensTable, MoneyTables } from "./tables.ts";

/** Reads card tokens; consuming one is part of the authorization that uses it. */
export interface CardTokenStore {
  /** A token by its reference and whether its card may be used; undefined when there is none. */
  findWithCard(tokenRef: string): Promise<{ token: CardToken; cardActive: boolean } | undefined>;
}

/** Opens the store. */
export function createCardTokenStore<T extends MoneyTables>(db: Pick<Database<T>, "query">): CardTokenStore {
  return {
    async findWithCard(tokenRef) {
      const found = await sql<CardTokensTable & { card_active: boolean }>`select t.*, c.status = 'active' as card_active
        from card_tokens t join cards c on c.id = t.card_id and c.customer_id = t.customer_id
        where t.token_ref = ${tokenRef}`.execute(db.query);
      const row = found.rows[0];
      if (row === undefined) return undefined;
      const token: CardToken = {
        tokenRef: row.token_ref,
        kind: row.kind,
        cardId: row.card_id,
        customerId: row.customer_id,
        merchantId: row.merchant_id,
        amountMinor: row.amount_minor,
        currency: row.currency,
        expiresAt: row.expires_at,
        consumedAt: row.consumed_at,
        revokedAt: row.revoked_at,
      };
      return { token, cardActive: row.card_active };
    },
  };
}
