import { sql } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { MoneyTables } from "./tables.ts";

/** Most authorizations booked as expired by one transaction. */
export const expiryBatchMax = 500;

/**
 * Books holds whose time is over as EXPIRED and takes them off their cards; gives how many. Safe on several replicas at
 * once. Credit does not wait for it: a lapsed hold counts as free from the moment it ends.
 */
export function expireDue<T extends MoneyTables>(db: Pick<Database<T>, "query">, now: Date): Promise<number> {
  return inTransaction(db, async (tx) => {
    const due = await sql<{ id: string; card_id: string }>`select id, card_id from authorizations
      where state = 'PENDING' and expires_at <= ${now}
      order by expires_at limit ${expiryBatchMax} for no key update skip locked`.execute(tx);
    if (due.rows.length === 0) return 0;
    const ids = due.rows.map((row) => row.id);
    const cardIds = [...new Set(due.rows.map((row) => row.card_id))];
    // In the order in which authorize locks cards.
    await sql`select id from cards where id = any(${cardIds}::uuid[]) order by id for no key update`.execute(tx);
    await sql`with booked as (
        update authorizations set state = 'EXPIRED', closed_at = ${now}
         where id = any(${ids}::uuid[]) and state = 'PENDING' returning card_id, amount_minor
      ), freed as (
        select card_id, sum(amount_minor)::bigint as amount_minor from booked group by card_id
      )
      update cards c set held_minor = c.held_minor - f.amount_minor, updated_at = ${now}
        from freed f where c.id = f.card_id`.execute(tx);
    return ids.length;
  });
}
