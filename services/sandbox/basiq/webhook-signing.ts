import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import type { SigningMoment } from "../kit/jobs/send-webhooks.ts";
import type { Delivery } from "../kit/storage/delivery-store.ts";
import type { SignatureMode } from "./domain/settings.ts";

const staleMs = 10 * 60 * 1_000;

/** Now, then after these pauses; then the endpoint is disabled. */
export const webhookSchedule = Object.freeze({
  pausesMs: [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000],
});

/** A new signing secret, as Basiq shows it once. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(24).toString("base64")}`;
}

/** The headers of Standard Webhooks, true or wrong in the way asked for. The id is the same at every attempt. */
export function standardHeaders(
  secret: string,
  delivery: Pick<Delivery, "deliveryId" | "body">,
  { now, signature }: SigningMoment<SignatureMode>,
): Record<string, string> {
  const id = `msg_${delivery.deliveryId}`;
  const at = new Date(now.getTime() - (signature === "stale" ? staleMs : 0));
  const named = { "webhook-id": id, "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)) };
  if (signature === "missing") return named;
  const signer = new Webhook(signature === "wrong_key" ? newWebhookSecret() : secret);
  const body = signature === "wrong_body" ? `${delivery.body} ` : delivery.body;
  return { ...named, "webhook-signature": signer.sign(id, at, body) };
}
