import type { Selectable } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import type { BasiqTables } from "./tables.ts";

const listedMax = 500;

/** Something that happened. */
export interface StoredEvent {
  readonly eventId: string;
  readonly userId: string;
  readonly entity: string;
  readonly eventType: string;
  readonly path: string;
  readonly data: object;
  readonly createdAt: Date;
}

/** Where webhooks go. */
export interface Endpoint {
  readonly webhookId: string;
  readonly name: string;
  readonly description: string;
  readonly url: string;
  readonly subscribedEvents: readonly string[];
  readonly status: "active" | "disabled";
  readonly sealedSecret: Buffer;
}

/** Events, and who is told of them. */
export interface EventStore {
  find(eventId: string): Promise<StoredEvent | undefined>;
  /** Newest first, 500 at most. */
  list(userId: string | undefined): Promise<readonly StoredEvent[]>;
  /** False when the address has an endpoint already. */
  addEndpoint(endpoint: Endpoint, now: Date): Promise<boolean>;
  listEndpoints(): Promise<readonly Endpoint[]>;
  findEndpointByUrl(url: string): Promise<Endpoint | undefined>;
  deleteEndpoint(webhookId: string): Promise<boolean>;
  /** After its last attempt, an endpoint gets nothing more. */
  disableEndpoint(url: string): Promise<void>;
  clearEndpoints(): Promise<void>;
}

const endpointColumns = [
  "webhook_id as webhookId",
  "name",
  "description",
  "url",
  "subscribed_events as subscribedEvents",
  "status",
  "sealed_secret as sealedSecret",
] as const;

/** Opens the store on the sandbox's schema. */
export function createEventStore(db: Database<BasiqTables>): EventStore {
  const endpoints = () => db.query.selectFrom("webhook_endpoints").select(endpointColumns);
  return {
    async find(eventId) {
      const row = await db.query.selectFrom("events").selectAll().where("event_id", "=", eventId).executeTakeFirst();
      return row && eventOf(row);
    },
    async list(userId) {
      const rows = await db.query
        .selectFrom("events")
        .selectAll()
        .$if(userId !== undefined, (query) => query.where("user_id", "=", userId ?? ""))
        .orderBy("created_at", "desc")
        .limit(listedMax)
        .execute();
      return rows.map(eventOf);
    },
    async addEndpoint(endpoint, now) {
      const added = await db.query
        .insertInto("webhook_endpoints")
        .values({
          webhook_id: endpoint.webhookId,
          name: endpoint.name,
          description: endpoint.description,
          url: endpoint.url,
          subscribed_events: [...endpoint.subscribedEvents],
          status: endpoint.status,
          sealed_secret: endpoint.sealedSecret,
          created_at: now,
        })
        .onConflict((conflict) => conflict.column("url").doNothing())
        .executeTakeFirst();
      return added.numInsertedOrUpdatedRows === 1n;
    },
    listEndpoints: () => endpoints().orderBy("created_at").limit(listedMax).execute(),
    findEndpointByUrl: (url) => endpoints().where("url", "=", url).executeTakeFirst(),
    async deleteEndpoint(webhookId) {
      const gone = await db.query
        .deleteFrom("webhook_endpoints")
        .where("webhook_id", "=", webhookId)
        .executeTakeFirst();
      return gone.numDeletedRows === 1n;
    },
    async disableEndpoint(url) {
      await db.query.updateTable("webhook_endpoints").set({ status: "disabled" }).where("url", "=", url).execute();
    },
    async clearEndpoints() {
      await db.query.deleteFrom("webhook_endpoints").execute();
    },
  };
}

function eventOf(row: Selectable<BasiqTables["events"]>): StoredEvent {
  return {
    eventId: row.event_id,
    userId: row.user_id,
    entity: row.entity,
    eventType: row.event_type,
    path: row.data_path,
    data: row.data,
    createdAt: row.created_at,
  };
}
