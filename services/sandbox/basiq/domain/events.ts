/** What can be subscribed to. */
export const webhookEvents: readonly string[] = Object.freeze([
  "account.updated",
  "connection.activated",
  "connection.created",
  "connection.deleted",
  "connection.invalidated",
  "consent.created",
  "consent.expired",
  "consent.reminder",
  "consent.revoked",
  "consent.updated",
  "consent.warning",
  "transactions.updated",
  "user.created",
  "user.deleted",
  "user.updated",
]);

/** Something that happened, as `GET /events/{id}` tells it. */
export interface NewEvent {
  readonly userId: string;
  readonly entity: "user" | "connection" | "account" | "transactions" | "consent";
  readonly eventType: string;
  /** Of the thing it happened to, below the API's address. */
  readonly path: string;
  readonly data: object;
}

/** The thin payload of a webhook: what happened has to be fetched. */
export function webhookBody(origin: string, eventId: string, event: Pick<NewEvent, "entity" | "eventType" | "path">) {
  return JSON.stringify({
    eventTypeId: `${event.entity}.${event.eventType}`,
    eventId,
    links: { event: `${origin}/events/${eventId}`, eventEntity: origin + event.path },
  });
}
