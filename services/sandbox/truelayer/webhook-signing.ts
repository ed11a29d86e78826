import { createHash } from "node:crypto";
import type { SigningMoment } from "../kit/jobs/send-webhooks.ts";
import type { Delivery } from "../kit/storage/delivery-store.ts";
import { foreignKey, type WebhookKeys } from "../kit/webhook-keys.ts";
import type { SignatureMode } from "./domain/settings.ts";
import { hmacSignature, tlSignature } from "./domain/tl-signature.ts";

const staleMs = 60 * 60 * 1000;

/** TrueLayer sends again for three days, ever more seldom up to four times an hour. */
export const webhookSchedule = Object.freeze({
  factor: 2,
  pauseMaxMs: 15 * 60 * 1000,
  jitterShare: 0.2,
  lifetimeMs: 72 * 60 * 60 * 1000,
});

/** What signing needs. */
export interface WebhookSigningDeps {
  readonly keys: WebhookKeys;
  readonly origin: string;
  readonly hmac: { readonly header: string; readonly secret: string | null };
}

/** The headers that prove where a webhook comes from, or fail to in the way asked for. */
export async function signingHeaders(
  deps: WebhookSigningDeps,
  delivery: Delivery,
  { now, signature }: SigningMoment<SignatureMode>,
): Promise<Record<string, string>> {
  if (delivery.scheme === "unsigned") return {};
  const body = signature === "wrong_body" ? `${delivery.body} ` : delivery.body;
  if (delivery.scheme === "hmac") {
    const secret = deps.hmac.secret ?? "";
    if (signature === "missing" || secret === "") return {};
    return { [deps.hmac.header]: hmacSignature(body, signature === "wrong_key" ? otherSecret(secret) : secret) };
  }
  const sentAt = new Date(now.getTime() - (signature === "stale" ? staleMs : 0));
  const timestamp = ["X-Tl-Webhook-Timestamp", `${sentAt.toISOString().slice(0, 19)}Z`] as const;
  if (signature === "missing") return Object.fromEntries([timestamp]);
  const { kid, privateKey } = await deps.keys.current();
  const jwksHost = signature === "foreign_jku" ? "https://webhooks.example.net" : deps.origin;
  const signed = tlSignature(
    {
      path: new URL(delivery.url).pathname,
      headers: signature === "unsigned_timestamp" ? [] : [timestamp],
      body,
    },
    {
      kid,
      jku: `${jwksHost}/.well-known/jwks`,
      privateKey: signature === "wrong_key" ? foreignKey("secp521r1") : privateKey,
    },
  );
  return Object.fromEntries([timestamp, ["Tl-Signature", signed]]);
}

/** Some other secret, for a signature that must be refused. */
function otherSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
