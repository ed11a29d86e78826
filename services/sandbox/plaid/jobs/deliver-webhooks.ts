import { request } from "undici";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import type { WebhookSigner } from "../clients/webhook-signer.ts";
import type { ControlStore } from "../storage/control-store.ts";
import type { DueWebhook, WebhookStore } from "../storage/webhook-store.ts";

/** Plaid gives a receiver ten seconds. */
const answerTimeoutMs = 10_000;
const leaseMs = 2 * answerTimeoutMs;
/** Plaid gives up after a day. */
const givingUpAfterMs = 24 * 60 * 60 * 1000;
const delayFactor = 4;

/** What the sender needs. */
export interface DeliveryDeps {
  readonly webhooks: WebhookStore;
  readonly control: ControlStore;
  readonly signer: WebhookSigner;
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn">;
  /** The first pause; each later one is four times as long. Plaid's is 30 seconds. */
  readonly retryBaseMs: number;
}

/** Sends the webhooks that are due. Returns how many were tried. */
export async function deliverWebhooks(deps: DeliveryDeps): Promise<number> {
  const now = deps.clock.now();
  const due = await deps.webhooks.claimDue(now, new Date(now.getTime() + leaseMs));
  await Promise.all(due.map((webhook) => deliver(deps, webhook)));
  return due.length;
}

async function deliver(deps: DeliveryDeps, webhook: DueWebhook): Promise<void> {
  const status = await send(deps, webhook);
  const delivered = status !== null && status >= 200 && status < 300;
  const nextAttemptAt = delivered ? undefined : nextAttempt(deps, webhook);
  await deps.webhooks.record(webhook.id, { delivered, status, nextAttemptAt });
}

function nextAttempt(deps: DeliveryDeps, webhook: DueWebhook): Date | undefined {
  const next = deps.clock.now().getTime() + deps.retryBaseMs * delayFactor ** (webhook.attempts - 1);
  return next - webhook.createdAt.getTime() > givingUpAfterMs ? undefined : new Date(next);
}

async function send(deps: DeliveryDeps, webhook: DueWebhook): Promise<number | null> {
  try {
    const settings = await deps.control.settings();
    const skewMs = (settings.clockSkewSeconds + webhook.skewSeconds) * 1000;
    const verification = await deps.signer.sign(webhook.body, {
      now: new Date(deps.clock.now().getTime() + skewMs),
      mode: webhook.signature ?? settings.webhookSignature,
    });
    const answer = await request(webhook.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "Plaid/1.0",
        ...(verification !== undefined && { "plaid-verification": verification }),
      },
      body: webhook.body,
      headersTimeout: answerTimeoutMs,
      bodyTimeout: answerTimeoutMs,
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    await answer.body.dump({ limit: 64 * 1024 });
    return answer.statusCode;
  } catch (error) {
    deps.log.warn({ err: error }, "webhook not delivered");
    return null;
  }
}
