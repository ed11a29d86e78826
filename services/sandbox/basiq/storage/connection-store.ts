import { randomUUID } from "node:crypto";
import type { Transaction } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { AccountKind } from "../../kit/domain/household.ts";
import { pendingMs } from "../../kit/domain/statement.ts";
import type { Connection, Instant } from "../domain/records.ts";
import type { Entry } from "../domain/town.ts";
import { transactionsNews } from "../domain/views.ts";
import { appendEvent, type EventTwist } from "./append-event.ts";
import {
  activateConnections,
  connectionOf,
  deleteConnections,
  invalidateConnections,
  tellConnection,
} from "./connection-changes.ts";
import type { BasiqTables } from "./tables.ts";

const listedMax = 500;
const addedMax = 10_000;

/** A movement the control API adds; minor units, as in `Entry`. */
export interface AddedTransaction {
  readonly kind: AccountKind;
  readonly at: Date;
  readonly minor: bigint;
  readonly description: string;
  readonly pending: boolean;
}

/** Connections, and what is at their banks beside the regular statements. */
export interface ConnectionStore {
  /** A user's, oldest first. */
  list(userId: string): Promise<readonly Connection[]>;
  /** Everybody's, newest first. */
  listAll(): Promise<readonly Connection[]>;
  find(connectionId: string): Promise<Connection | undefined>;
  /** False when it is not there, or not in the state the change begins with. */
  invalidate(connection: Connection, at: Instant): Promise<boolean>;
  activate(connection: Connection, at: Instant): Promise<boolean>;
  delete(connection: Connection, at: Instant): Promise<boolean>;
  addTransaction(connectionId: string, added: AddedTransaction): Promise<void>;
  listAdded(connectionId: string, kind: AccountKind): Promise<readonly Entry[]>;
  /** Tells of something that did not happen: what receivers do about it is to be seen. Returns the event's id. */
  send(connection: Connection, eventTypeId: string, at: Instant, twist: EventTwist): Promise<string>;
}

/** Opens the store on the sandbox's schema. */
export function createConnectionStore(db: Database<BasiqTables>, origin: string): ConnectionStore {
  const all = () => db.query.selectFrom("connections").selectAll();
  const changed = (work: (tx: Transaction<BasiqTables>) => Promise<number>) =>
    inTransaction(db, async (tx) => (await work(tx)) > 0);
  return {
    list: async (userId) =>
      (await all().where("user_id", "=", userId).orderBy("created_at").execute()).map(connectionOf),
    listAll: async () => (await all().orderBy("created_at", "desc").limit(listedMax).execute()).map(connectionOf),
    async find(connectionId) {
      const row = await all().where("connection_id", "=", connectionId).executeTakeFirst();
      return row && connectionOf(row);
    },
    invalidate: (which, at) => changed((tx) => invalidateConnections(tx, origin, which, at)),
    activate: (which, at) => changed((tx) => activateConnections(tx, origin, which, at)),
    delete: (which, at) => changed((tx) => deleteConnections(tx, origin, which, at)),
    async addTransaction(connectionId, { kind, ...added }) {
      const row = { added_id: randomUUID(), connection_id: connectionId, account_kind: kind, ...added };
      await db.query.insertInto("added_transactions").values(row).execute();
    },
    async listAdded(connectionId, kind) {
      const rows = await db.query
        .selectFrom("added_transactions")
        .selectAll()
        .where("connection_id", "=", connectionId)
        .where("account_kind", "=", kind)
        .orderBy("at")
        .limit(addedMax)
        .execute();
      return rows.map((row) => ({
        key: `added/${row.added_id}`,
        at: row.at,
        bookedAt: row.pending ? new Date(row.at.getTime() + pendingMs) : row.at,
        minor: row.minor,
        description: row.description,
        merchant: null,
        category: { class: "payment", subClass: null },
      }));
    },
    send: (connection, eventTypeId, at, twist) =>
      inTransaction(db, (tx) => {
        const [entity = "", eventType = ""] = eventTypeId.split(".");
        return appendEvent(tx, origin, madeUpEvent(origin, connection, { entity, eventType }), at, twist);
      }),
  };
}

/** Makes a connection in a transaction of its caller's, and tells of it. */
export async function insertConnection(
  tx: Transaction<BasiqTables>,
  origin: string,
  given: { userId: string; institutionId: string; username: string; accountKinds: readonly AccountKind[] },
  at: Instant,
): Promise<string> {
  const row = await tx
    .insertInto("connections")
    .values({
      connection_id: randomUUID(),
      user_id: given.userId,
      institution_id: given.institutionId,
      username: given.username,
      account_kinds: [...given.accountKinds],
      status: "pending",
      created_at: at.now,
      last_used_at: null,
      accounts_at: null,
      fetched_at: null,
      refresh_due_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await tellConnection(tx, origin, row, "created", at);
  return row.connection_id;
}

function madeUpEvent(origin: string, connection: Connection, type: { entity: string; eventType: string }) {
  const { userId, connectionId } = connection;
  const paths: Readonly<Record<string, string>> = {
    user: `/users/${userId}`,
    connection: `/users/${userId}/connections/${connectionId}`,
    account: `/users/${userId}/accounts/${connectionId}`,
    transactions: `/users/${userId}/transactions`,
    consent: `/users/${userId}/consents/${connectionId}`,
  };
  return {
    userId,
    // The control API admits only what can be subscribed to.
    entity: type.entity as "connection",
    eventType: type.eventType,
    path: paths[type.entity] ?? "",
    data: transactionsNews(origin, connection, 0),
  };
}
