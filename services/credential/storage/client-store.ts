import type { Selectable } from "kysely";
import type { Client, ClientState } from "../domain/client.ts";
import type { Connection, Owner } from "../domain/connection.ts";
import { toConnection } from "./connection-store.ts";
import type { Queryable, Tx } from "./storage.ts";
import type { Tables } from "./tables.ts";

/** Whose customer, and at which aggregator. */
export interface ClientKey {
  readonly owner: Owner;
  readonly connector: string;
}

/** A firm's client; undefined for one who is none, or another firm's. */
export async function findClient(db: Queryable, key: ClientKey): Promise<Client | undefined> {
  const row = await db
    .selectFrom("aggregator_customers")
    .selectAll()
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connector", "=", key.connector)
    .executeTakeFirst();
  return row && toClient(row);
}

/** Whose customer this is at the aggregator. */
export async function findClientOfCustomer(
  db: Queryable,
  customer: { connector: string; customerId: string },
): Promise<Client | undefined> {
  const row = await db
    .selectFrom("aggregator_customers")
    .selectAll()
    .where("connector", "=", customer.connector)
    .where("customer_id", "=", customer.customerId)
    .executeTakeFirst();
  return row && toClient(row);
}

/** Keeps a new client; false when another call kept him first. */
export async function insertClient(
  db: Queryable,
  client: Omit<Client, "state" | "step" | "errorCode">,
): Promise<boolean> {
  const { owner, connector, customerId, customerType, createdAt } = client;
  const result = await db
    .insertInto("aggregator_customers")
    .values({
      tenant: owner.tenant,
      user_id: owner.userId,
      connector,
      customer_id: customerId,
      customer_type: customerType,
      state: "not_linked",
      created_at: createdAt,
      updated_at: createdAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** How far a client's consent got, where it stands in one of the states `from`. */
export async function moveClient(
  db: Queryable,
  client: ClientKey,
  move: { from: readonly ClientState[]; to: ClientState; step?: string; errorCode: string; now: Date },
): Promise<boolean> {
  const result = await db
    .updateTable("aggregator_customers")
    .set({
      state: move.to,
      error_code: move.errorCode,
      updated_at: move.now,
      ...(move.step === undefined ? {} : { step: move.step }),
    })
    .where("tenant", "=", client.owner.tenant)
    .where("user_id", "=", client.owner.userId)
    .where("connector", "=", client.connector)
    .where("state", "in", [...move.from])
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Removes what is kept of an owner as a firm's client. Resolves to the customers he was. */
export async function deleteClient(tx: Tx, owner: Owner): Promise<Client[]> {
  const rows = await tx
    .deleteFrom("aggregator_customers")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .returningAll()
    .execute();
  // After their client, as whoever notes one locks him first.
  await tx
    .deleteFrom("connect_emails")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .execute();
  return rows.map(toClient);
}

/** Locks a client for the rest of the transaction; false when he was erased. */
export async function lockClient(tx: Tx, key: ClientKey): Promise<boolean> {
  const row = await tx
    .selectFrom("aggregator_customers")
    .select("customer_id")
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connector", "=", key.connector)
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** The live connection of a firm that has an account; undefined where no client of the firm has it. */
export async function findConnectionOfAccount(
  db: Queryable,
  account: { tenant: string; connector: string; accountId: string },
): Promise<Connection | undefined> {
  const row = await db
    .selectFrom("provider_accounts as account")
    .innerJoin("connections as connection", (join) =>
      join
        .onRef("connection.tenant", "=", "account.tenant")
        .onRef("connection.user_id", "=", "account.user_id")
        .onRef("connection.connection_id", "=", "account.connection_id"),
    )
    .selectAll("connection")
    .where("account.tenant", "=", account.tenant)
    .where("account.account_id", "=", account.accountId)
    .where("connection.connector", "=", account.connector)
    .where("account.absent_since", "is", null)
    .where("connection.state", "<>", "REVOKED")
    .executeTakeFirst();
  return row && toConnection(row);
}

/** The live connection of a firm that is this login. */
export async function findConnectionOfLogin(
  db: Queryable,
  login: { tenant: string; connector: string; loginId: string },
): Promise<Connection | undefined> {
  const row = await db
    .selectFrom("connections")
    .selectAll()
    .where("tenant", "=", login.tenant)
    .where("connector", "=", login.connector)
    .where("owner_reference", "=", login.loginId)
    .where("state", "<>", "REVOKED")
    .executeTakeFirst();
  return row && toConnection(row);
}

function toClient(row: Selectable<Tables["aggregator_customers"]>): Client {
  return {
    owner: { tenant: row.tenant, userId: row.user_id },
    connector: row.connector,
    customerId: row.customer_id,
    customerType: row.customer_type,
    state: row.state,
    step: row.step,
    errorCode: row.error_code,
    createdAt: row.created_at,
  };
}
