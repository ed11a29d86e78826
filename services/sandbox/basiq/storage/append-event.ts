import { randomBytes } from "node:crypto";
import type { Transaction } from "kysely";
import { addDelivery } from "../../kit/storage/delivery-store.ts";
import { type NewEvent, webhookBody } from "../domain/events.ts";
import type { Instant } from "../domain/records.ts";
import type { BasiqTables } from "./tables.ts";

/** Departures from the settings, for the webhooks of one event. */
export interface EventTwist {
  readonly signature?: string | undefined;
  readonly skewSeconds?: number | undefined;
  /** How often each receiver gets it. */
  readonly times?: number | undefined;
}

/** Writes an event down beside the change it tells of, and puts its webhooks on their way. Returns its id. */
export async function appendEvent(
  tx: Transaction<BasiqTables>,
  origin: string,
  event: NewEvent,
  at: Instant,
  twist: EventTwist = {},
): Promise<string> {
  const eventId = randomBytes(32).toString("hex");
  const { times = 1, ...signing } = twist;
  await tx
    .insertInto("events")
    .values({
      event_id: eventId,
      user_id: event.userId,
      entity: event.entity,
      event_type: event.eventType,
      data_path: event.path,
      data: JSON.stringify(event.data),
      created_at: at.now,
    })
    .execute();
  const eventType = `${event.entity}.${event.eventType}`;
  const endpoints = await tx
    .selectFrom("webhook_endpoints")
    .select(["url", "subscribed_events"])
    .where("status", "=", "active")
    .execute();
  const body = webhookBody(origin, eventId, event);
  for (const { url } of endpoints.filter((each) => each.subscribed_events.includes(eventType))) {
    for (let count = 0; count < times; count += 1) {
      await addDelivery(tx, { subject: event.userId, eventId, eventType, url, body, ...signing }, at.trueNow);
    }
  }
  return eventId;
}
