import { createHash, generateKeyPairSync } from "node:crypto";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { postWebhook } from "../clients/webhook-post.ts";
import { hmacSignature, tlSignature } from "../domain/tl-signature.ts";
import { pauseAfter, webhookLifetimeMs } from "../domain/webhook-schedule.ts";
import type { ReadMoment } from "../sandbox-clock.ts";
import type { AttemptOutcome, Delivery, WebhookStore } from "../storage/webhook-store.ts";
import type { WebhookKeys } from "../webhook-keys.ts";

const claimMax = 20;
// Longer than an attempt may take, so that nobody sends what is being sent.
const leaseMs = 30_000;
const staleMs = 60 * 60 * 1000;

/** What sending needs. */
export interface WebhookSenderDeps {
  readonly webhooks: WebhookStore;
  readonly keys: WebhookKeys;
  readonly moment: ReadMoment;
  readonly clock: Clock;
  readonly origin: string;
  readonly hmac: { readonly header: string; readonly secret: string | null };
  readonly log: Pick<Logger, "warn">;
}

/** Sends what is due; true when something was. Signatures are made per attempt, so their time is that of the attempt. */
export async function sendDueWebhooks(deps: WebhookSenderDeps, signal: AbortSignal): Promise<boolean> {
  const now = deps.clock.now();
  const due = await deps.webhooks.claim(now, new Date(now.getTime() + leaseMs), claimMax);
  await Promise.all(due.map((delivery) => attempt(deps, delivery, signal)));
  return due.length > 0;
}

async function attempt(deps: WebhookSenderDeps, delivery: Delivery, signal: AbortSignal): Promise<void> {
  const { settings, now } = await deps.moment();
  const headers = await headersOf(deps, delivery, now);
  const status = await postWebhook(delivery.url, { headers, body: delivery.body }, signal);
  await deps.webhooks.settle(delivery.deliveryId, outcomeOf(deps, delivery, status, settings.webhookFirstPauseMs));
}

function outcomeOf(
  deps: WebhookSenderDeps,
  delivery: Delivery,
  status: number | null,
  firstPauseMs: number,
): AttemptOutcome {
  if (status !== null && status >= 200 && status < 300) return { state: "delivered", status };
  const nowMs = deps.clock.now().getTime();
  const nextAttemptAt = new Date(nowMs + pauseAfter(delivery.attempts, firstPauseMs, Math.random()));
  if (nextAttemptAt.getTime() - delivery.createdAt.getTime() > webhookLifetimeMs) {
    deps.log.warn({ deliveryId: delivery.deliveryId, attempts: delivery.attempts }, "webhook given up");
    return { state: "failed", status };
  }
  return { state: "pending", status, nextAttemptAt };
}

async function headersOf(deps: WebhookSenderDeps, delivery: Delivery, now: Date): Promise<Record<string, string>> {
  const { signature } = delivery;
  if (delivery.mode === "unsigned") return {};
  const body = signature === "wrong_body" ? `${delivery.body} ` : delivery.body;
  if (delivery.mode === "hmac") {
    const secret = deps.hmac.secret ?? "";
    if (signature === "missing" || secret === "") return {};
    return { [deps.hmac.header]: hmacSignature(body, signature === "wrong_key" ? otherSecret(secret) : secret) };
  }
  const sentAt = new Date(now.getTime() - (signature === "stale" ? staleMs : 0));
  const timestamp = ["X-Tl-Webhook-Timestamp", `${sentAt.toISOString().slice(0, 19)}Z`] as const;
  if (signature === "missing") return Object.fromEntries([timestamp]);
  const key = await deps.keys.current();
  const forged = signature === "wrong_key" ? generateKeyPairSync("ec", { namedCurve: "secp521r1" }) : key;
  const jwksHost = signature === "foreign_jku" ? "https://webhooks.example.net" : deps.origin;
  const signed = tlSignature(
    {
      path: new URL(delivery.url).pathname,
      headers: signature === "unsigned_timestamp" ? [] : [timestamp],
      body,
    },
    { kid: key.kid, jku: `${jwksHost}/.well-known/jwks`, privateKey: forged.privateKey },
  );
  return Object.fromEntries([timestamp, ["Tl-Signature", signed]]);
}

/** Some other secret, for a signature that must be refused. */
function otherSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
