import type { Database } from "../../platform/db/open-database.ts";
import type { IdentityTables } from "./identity-tables.ts";

/** A customer who can sign in. */
export interface Customer {
  readonly id: string;
  /** Pseudonymous, the `sub` of every token. */
  readonly fiUserRef: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly displayName: string;
  readonly locale: string;
}

/** A card as its owner sees it. */
export interface OwnedCard {
  readonly id: string;
  readonly brand: string;
  readonly lastFour: string;
  readonly holder: string;
  readonly expiryMonth: number;
  readonly expiryYear: number;
  readonly currency: string;
}

/** A deposit account as its owner sees it. */
export interface OwnedAccount {
  readonly id: string;
  readonly name: string;
  readonly maskedNumber: string;
}

/** Cards or accounts of one customer shown at most. */
const holdingsMax = 100;

/** Reads the bank's people and what they hold. */
export interface CustomerStore {
  findByEmail(email: string): Promise<Customer | undefined>;
  findByRef(fiUserRef: string): Promise<Customer | undefined>;
  /** Active cards in a steady order, at most 100. */
  activeCards(customerId: string): Promise<OwnedCard[]>;
  /** Open accounts in a steady order, at most 100. */
  openAccounts(customerId: string): Promise<OwnedAccount[]>;
}

/** Opens the store. */
export function createCustomerStore(db: Pick<Database<IdentityTables>, "query">): CustomerStore {
  const find = async (column: "email" | "fi_user_ref", value: string): Promise<Customer | undefined> => {
    const row = await db.query.selectFrom("customers").selectAll().where(column, "=", value).executeTakeFirst();
    return (
      row && {
        id: row.id,
        fiUserRef: row.fi_user_ref,
        email: row.email,
        passwordHash: row.password_hash,
        displayName: row.display_name,
        locale: row.locale,
      }
    );
  };
  return {
    findByEmail: (email) => find("email", email.toLowerCase()),
    findByRef: (fiUserRef) => find("fi_user_ref", fiUserRef),
    async activeCards(customerId) {
      const rows = await db.query
        .selectFrom("cards")
        .selectAll()
        .where("customer_id", "=", customerId)
        .where("status", "=", "active")
        .orderBy("created_at")
        .orderBy("id")
        .limit(holdingsMax)
        .execute();
      return rows.map((row) => ({
        id: row.id,
        brand: row.brand,
        lastFour: row.last_four,
        holder: row.holder,
        expiryMonth: row.expiry_month,
        expiryYear: row.expiry_year,
        currency: row.currency,
      }));
    },
    async openAccounts(customerId) {
      const rows = await db.query
        .selectFrom("accounts")
        .select(["id", "name", "masked_number"])
        .where("customer_id", "=", customerId)
        .where("status", "=", "OPEN")
        .orderBy("kind")
        .orderBy("id")
        .limit(holdingsMax)
        .execute();
      return rows.map((row) => ({ id: row.id, name: row.name, maskedNumber: row.masked_number }));
    },
  };
}
