import { randomUUID } from "node:crypto";
import type { Transaction } from "kysely";
import { addDelivery } from "../../kit/storage/delivery-store.ts";
import { isWanted, type Notification } from "../domain/subscription.ts";
import type { MastercardTables } from "./tables.ts";

/** The scheme of notifications: signed by key pair, with a message id of their own. */
export const notificationScheme = "notification";

/**
 * Puts a notification on its way to everybody who subscribed to it, beside the change it tells of. `now` is the
 * sandbox's time, `dueAt` the true one. Returns how many.
 */
export async function notify(
  tx: Transaction<MastercardTables>,
  notification: Notification,
  times: { readonly now: Date; readonly dueAt: Date },
): Promise<number> {
  const rows = await tx.selectFrom("subscriptions").selectAll().where("status", "=", "active").execute();
  let sent = 0;
  for (const row of rows) {
    for (const event of row.events) {
      const url = event.url ?? row.url;
      if (event.name !== notification.name || event.status === "inactive" || url === null) continue;
      if (!isWanted(event.condition, notification)) continue;
      sent += 1;
      const { name, ...facts } = notification;
      const ids = { subscriptionId: row.subscription_id, webhookEventId: event.webhookEventId };
      await addDelivery(
        tx,
        {
          subject: notification.customerId,
          eventId: randomUUID(),
          eventType: name,
          url,
          body: JSON.stringify({ eventName: name, eventTime: times.now.toISOString(), ...ids, ...facts }),
          scheme: notificationScheme,
        },
        times.dueAt,
      );
    }
  }
  return sent;
}
