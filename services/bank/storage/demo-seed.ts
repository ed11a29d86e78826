import { type Kysely, sql, type Transaction } from "kysely";
import { demoSecrets } from "../../platform/config/demo-secrets.ts";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { hashPassword, verifyPassword } from "../../platform/secrets/password.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { type DemoCustomer, demoCustomers, demoHistory } from "../domain/demo-data.ts";
import { isClientSecret } from "../oidc/client-secret.ts";
import { postEntry } from "./ledger.ts";
import type { MoneyTables } from "./tables.ts";

const demoPassword = "demo-password";

/**
 * Puts the demo customers into a bank that does not have them, all of it or nothing; safe when several replicas start at
 * once. Gives how many customers were added.
 */
export async function seedDemoData<T extends MoneyTables>(
  db: Pick<Database<T>, "query">,
  bsimId: string,
  now: Date,
): Promise<number> {
  const passwordHash = await hashPassword(demoPassword);
  return inTransaction(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('bank_demo_data', 0))`.execute(tx);
    let added = 0;
    for (const customer of demoCustomers(bsimId, now)) {
      const known = await sql`select 1 from customers where email = ${customer.email}`.execute(tx);
      if (known.rows.length > 0) continue;
      await addCustomer(tx, bsimId, customer, passwordHash, now);
      added += 1;
    }
    return added;
  });
}

/**
 * Names what of the demo world a database still holds: customers who sign in with its password, clients with its secrets.
 * A production bank does not start over any.
 */
export async function findDemoRemains<T extends MoneyTables>(
  db: Pick<Database<T>, "query">,
  pepper: Uint8Array,
): Promise<string[]> {
  const query: Kysely<T> = db.query;
  const people = await sql<{ email: string; password_hash: string }>`select email, password_hash from customers
    where email in (${sql.join(demoCustomers("", new Date(0)).map((customer) => customer.email))})`.execute(query);
  const clients = await sql<{ client_id: string; secret_hash: Buffer }>`select client_id, secret_hash from oauth_clients
    where secret_hash is not null and active`.execute(query);
  const remains: string[] = [];
  for (const person of people.rows) {
    if (await verifyPassword(demoPassword, person.password_hash)) remains.push(`customer ${person.email}`);
  }
  for (const client of clients.rows) {
    if (demoSecrets.some((secret) => isClientSecret(pepper, client.client_id, secret, client.secret_hash))) {
      remains.push(`OAuth client ${client.client_id}`);
    }
  }
  return remains;
}

async function addCustomer<T extends MoneyTables>(
  tx: Transaction<T>,
  bsimId: string,
  customer: DemoCustomer,
  passwordHash: string,
  now: Date,
): Promise<void> {
  const customerId = uuidv7(now.getTime());
  await sql`insert into customers (id, fi_user_ref, email, password_hash, display_name)
    values (${customerId}, ${randomToken(18)}, ${customer.email}, ${passwordHash}, ${customer.displayName})`.execute(
    tx,
  );
  for (const card of customer.cards) {
    await sql`insert into cards (id, customer_id, brand, last_four, holder, expiry_month, expiry_year, status,
        credit_limit_minor)
      values (${uuidv7(now.getTime())}, ${customerId}, ${card.brand}, ${card.lastFour},
        ${customer.displayName.toUpperCase()}, ${card.expiryMonth}, ${card.expiryYear}, ${card.status},
        ${card.creditLimitMinor})`.execute(tx);
  }
  const accounts = { chequing: uuidv7(now.getTime()), savings: uuidv7(now.getTime()) };
  const history = demoHistory(bsimId, customer.email, accounts, now);
  const openedOn = (history[0]?.postedAt ?? now).toISOString().slice(0, 10);
  for (const [id, kind, name] of [
    [accounts.chequing, "CHEQUING", "Everyday Chequing"],
    [accounts.savings, "SAVINGS", "Savings"],
  ]) {
    // The last digits of a random id: all the bank ever shows of the number.
    const masked = `****${String(Number.parseInt((id ?? "").slice(-6), 16) % 10_000).padStart(4, "0")}`;
    await sql`insert into accounts (id, customer_id, kind, name, masked_number, opened_on)
      values (${id}, ${customerId}, ${kind}, ${name}, ${masked}, ${openedOn}::date)`.execute(tx);
  }
  for (const { entry, postedAt } of history) await postEntry(tx, { entry, currency: "CAD", postedAt });
}
