import { randomUUID } from "node:crypto";
import type { Transaction } from "kysely";
import { addDelivery } from "../../kit/storage/delivery-store.ts";
import type { SignatureMode } from "../domain/settings.ts";
import { type WebhookEvent, webhookBody } from "../domain/webhook-body.ts";
import type { PlaidTables } from "./tables.ts";

/** How one webhook differs from a true one. */
export interface WebhookTwist {
  readonly signature?: SignatureMode | undefined;
  readonly skewSeconds?: number | undefined;
}

/**
 * Puts a webhook of an item beside the change it tells of, to be sent after the commit. False when the item has no
 * address for webhooks.
 */
export async function enqueueWebhook(
  tx: Transaction<PlaidTables>,
  itemId: string,
  event: WebhookEvent,
  now: Date,
  twist: WebhookTwist = {},
): Promise<boolean> {
  const item = await tx
    .updateTable("items")
    .set({ last_webhook_at: now, last_webhook_code: event.code })
    .where("item_id", "=", itemId)
    .where("webhook", "is not", null)
    .returning("webhook")
    .executeTakeFirst();
  if (!item?.webhook) return false;
  await enqueueBody(
    tx,
    { itemId, code: event.code, url: item.webhook, body: webhookBody(itemId, event), ...twist },
    now,
  );
  return true;
}

/** Puts any body on its way. */
export async function enqueueBody(
  tx: Transaction<PlaidTables>,
  webhook: WebhookTwist & { itemId: string | null; code: string; url: string; body: string },
  now: Date,
): Promise<void> {
  const { itemId, code, ...rest } = webhook;
  // Plaid's webhooks carry no id; this one is for the list of webhooks.
  await addDelivery(tx, { ...rest, subject: itemId, eventId: randomUUID(), eventType: code }, now);
}
