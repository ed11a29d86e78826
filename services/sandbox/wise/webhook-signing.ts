import { randomUUID, sign } from "node:crypto";
import type { SigningMoment } from "../kit/jobs/send-webhooks.ts";
import type { Delivery } from "../kit/storage/delivery-store.ts";
import { foreignKey, type WebhookKeys } from "../kit/webhook-keys.ts";
import type { SignatureMode } from "./domain/settings.ts";
import { testScheme } from "./events.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** After 1, 2, 4 minutes and so on; after the eleventh time daily, fourteen times more. */
export const webhookSchedule = Object.freeze({
  factor: 2,
  pauseMaxMs: dayMs,
  jitterShare: 0,
  lifetimeMs: (2 ** 11 - 1) * minuteMs + 14 * dayMs + minuteMs,
});

/** How long a receiver may take. */
export const answerTimeoutMs = 5_000;

/** The headers of one attempt: a delivery id of its own, and RSA-SHA256 (PKCS#1 v1.5) of the body, or not in the way asked for. */
export async function signingHeaders(
  keys: WebhookKeys,
  delivery: Delivery,
  { signature }: Pick<SigningMoment<SignatureMode>, "signature">,
): Promise<Record<string, string>> {
  const headers = {
    "X-Delivery-Id": randomUUID(),
    ...(delivery.scheme === testScheme && { "X-Test-Notification": "true" }),
  };
  if (signature === "missing") return headers;
  const privateKey = signature === "wrong_key" ? foreignKey("rsa2048") : (await keys.current()).privateKey;
  const body = signature === "wrong_body" ? `${delivery.body} ` : delivery.body;
  return { ...headers, "X-Signature-SHA256": sign("sha256", Buffer.from(body), privateKey).toString("base64") };
}
