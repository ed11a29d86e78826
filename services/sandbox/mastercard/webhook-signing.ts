import { createHmac, sign } from "node:crypto";
import type { SigningMoment } from "../kit/jobs/send-webhooks.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import type { Delivery } from "../kit/storage/delivery-store.ts";
import { foreignKey, type WebhookKeys } from "../kit/webhook-keys.ts";
import { connectScheme } from "./domain/connect-event.ts";
import type { Settings, SignatureMode } from "./domain/settings.ts";
import type { Partner } from "./partner.ts";
import type { ConnectStore } from "./storage/connect-store.ts";

const staleSeconds = 60 * 60;

/** Webhooks go again for three days, ever more seldom up to once an hour. */
export const webhookSchedule = Object.freeze({
  factor: 2,
  pauseMaxMs: 60 * 60 * 1000,
  jitterShare: 0.1,
  lifetimeMs: 72 * 60 * 60 * 1000,
});

/** What signing needs. */
export interface WebhookSigningDeps {
  readonly partner: Pick<Partner, "secret">;
  readonly keys: WebhookKeys;
  readonly sessions: Pick<ConnectStore, "findById">;
  readonly moment: ReadMoment<Settings>;
}

/** The headers of one attempt: those the partner asked for, and the signature, true or wrong as asked. */
export async function webhookHeaders(
  deps: WebhookSigningDeps,
  delivery: Delivery,
  signing: SigningMoment<SignatureMode>,
): Promise<Readonly<Record<string, string>>> {
  const sessionId = delivery.scheme?.startsWith(connectScheme) && delivery.scheme.slice(connectScheme.length);
  if (!sessionId) return notificationHeaders(deps, delivery, signing);
  const session = await deps.sessions.findById(sessionId);
  const secret = await deps.partner.secret();
  return { ...session?.request.webhookHeaders, ...connectSignature(delivery.body, secret, signing.signature) };
}

/** `X-Finicity-Signature`: HMAC-SHA256 of the exact body under the partner's secret, in hex. It says no time, so none is stale. */
export function connectSignature(body: string, secret: string, mode: SignatureMode): Record<string, string> {
  if (mode === "missing") return {};
  const signed = mode === "wrong_body" ? `${body} ` : body;
  const key = mode === "wrong_key" ? `${secret}-another` : secret;
  return { "X-Finicity-Signature": createHmac("sha256", key).update(signed, "utf8").digest("hex") };
}

/** Notifications: ECDSA on P-256 with SHA-256 over the body, a full stop and the time in seconds, in hex. */
async function notificationHeaders(
  { keys, moment }: WebhookSigningDeps,
  delivery: Delivery,
  { now, signature: mode }: SigningMoment<SignatureMode>,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(now.getTime() / 1_000) - (mode === "stale" ? staleSeconds : 0));
  const message = { "X-Mastercard-Webhook-Message-Id": delivery.eventId };
  if (mode === "missing") return message;
  const { settings } = await moment();
  const key = mode === "wrong_key" ? foreignKey("prime256v1") : (await keys.current()).privateKey;
  const body = mode === "wrong_body" ? `${delivery.body} ` : delivery.body;
  const dsaEncoding = settings.signatureEncoding === "der" ? ("der" as const) : ("ieee-p1363" as const);
  const signature = sign("sha256", Buffer.from(`${body}.${timestamp}`, "utf8"), { key, dsaEncoding });
  return {
    ...message,
    "X-Mastercard-Signature": signature.toString("hex"),
    "X-Mastercard-Signature-Timestamp": timestamp,
    "X-Mastercard-Signature-Algorithm": "SHA256withECDSA",
  };
}
