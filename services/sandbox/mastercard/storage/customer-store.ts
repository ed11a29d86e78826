import { type Selectable, sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { Customer, CustomerDetails, CustomerType } from "../domain/customer.ts";
import type { CustomerRow, MastercardTables } from "./tables.ts";

/** Which customers are listed. `start` counts from 1. */
export interface CustomerFilter {
  readonly username?: string | undefined;
  readonly type?: CustomerType | undefined;
  readonly search?: string | undefined;
  readonly start: number;
  readonly limit: number;
}

/** Customers of the partner. */
export interface CustomerStore {
  /** Undefined when the username was ever used. */
  add(customer: {
    username: string;
    type: CustomerType;
    details: CustomerDetails;
    now: Date;
  }): Promise<Customer | undefined>;
  find(customerId: bigint): Promise<Customer | undefined>;
  list(filter: CustomerFilter): Promise<{ found: number; customers: readonly Customer[] }>;
  /** Deletes a customer with all logins. False for one that is none. */
  remove(customerId: bigint, now: Date): Promise<boolean>;
  /** Forgets all but the usernames. */
  clear(now: Date): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createCustomerStore(db: Database<MastercardTables>): CustomerStore {
  return {
    async add({ username, type, details, now }) {
      const row = await db.query
        .insertInto("customers")
        .values({
          username,
          type,
          details: JSON.stringify(details),
          created_at: now,
          modified_at: now,
          deleted_at: null,
        })
        .onConflict((conflict) => conflict.column("username").doNothing())
        .returningAll()
        .executeTakeFirst();
      return row && customerOf(row);
    },
    async find(customerId) {
      const row = await db.query
        .selectFrom("customers")
        .selectAll()
        .where("customer_id", "=", customerId)
        .where("deleted_at", "is", null)
        .executeTakeFirst();
      return row && customerOf(row);
    },
    list: (filter) => listCustomers(db, filter),
    remove: (customerId, now) =>
      inTransaction(db, async (tx) => {
        const removed = await tx
          .updateTable("customers")
          .set({ deleted_at: now, details: "{}" })
          .where("customer_id", "=", customerId)
          .where("deleted_at", "is", null)
          .executeTakeFirst();
        await tx.deleteFrom("connect_sessions").where("customer_id", "=", customerId).execute();
        await tx.deleteFrom("institution_logins").where("customer_id", "=", customerId).execute();
        return removed.numUpdatedRows === 1n;
      }),
    async clear(now) {
      await db.query.deleteFrom("connect_sessions").execute();
      await db.query.deleteFrom("institution_logins").execute();
      await db.query.updateTable("customers").set({ deleted_at: now }).where("deleted_at", "is", null).execute();
    },
  };
}

async function listCustomers(db: Database<MastercardTables>, filter: CustomerFilter) {
  const { username, type, search } = filter;
  const matching = db.query
    .selectFrom("customers")
    .where("deleted_at", "is", null)
    .$if(username !== undefined, (query) => query.where("username", "=", username ?? ""))
    .$if(type !== undefined, (query) => query.where("type", "=", type ?? "testing"))
    .$if(search !== undefined, (query) => query.where(sql<boolean>`position(lower(${search}) in lower(username)) > 0`));
  const { found } = await matching.select(sql<number>`count(*)::int`.as("found")).executeTakeFirstOrThrow();
  const rows = await matching
    .selectAll()
    .orderBy("customer_id")
    .offset(filter.start - 1)
    .limit(filter.limit)
    .execute();
  return { found, customers: rows.map(customerOf) };
}

function customerOf(row: Selectable<CustomerRow>): Customer {
  return {
    customerId: row.customer_id,
    username: row.username,
    type: row.type,
    details: row.details,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
  };
}
