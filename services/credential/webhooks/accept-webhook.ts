import { createHash } from "node:crypto";
import { BatcherFullError } from "../../platform/db/batcher.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ProviderCall } from "../connectors/connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import {
  type ProviderEvent,
  type RawWebhook,
  type WebhookReader,
  WebhookRefused,
} from "../connectors/webhook-reader.ts";
import type { Actor } from "../domain/audit.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { failureFacts } from "../flows/provider-failure.ts";
import { recordRefusal } from "../storage/webhook-statistics.ts";
import { storeWebhook } from "../storage/webhook-store.ts";
import { countArrival } from "./webhook-metrics.ts";
import { writePayload } from "./webhook-payload.ts";

// The sender waits meanwhile, some for five seconds at most.
const keyTimeoutMs = 3_000;
const eventsMax = 100;
/** The type of an event that stands for a body nobody understood. */
export const unreadableType = "unreadable";

/** A webhook at its arrival. */
export interface Arriving {
  readonly connector: string;
  readonly reader: WebhookReader;
  readonly request: RawWebhook;
  readonly actor: Actor;
  /** Asked once the webhook turned out to be refused; false when this sender has had his share of alerts. */
  mayAlert(): Promise<boolean>;
}

/**
 * Proves a webhook and stores its events; nothing is done about them here. Resolves for new and repeated ones alike. Throws
 * `WEBHOOK_REFUSED` for one that is forged or stale, after the alert is stored; `RATE_LIMITED` in its place for a sender of too many;
 * `UNAVAILABLE` when the keys cannot be had; `BatcherFullError` when the database does not keep up. A proved webhook that cannot be read is kept as a dead letter: sending it again would not help.
 */
export async function acceptWebhook(deps: Dependencies, arriving: Arriving): Promise<void> {
  const { connector, request } = arriving;
  const call = { now: request.receivedAt, timeoutMs: Math.min(deps.providerTimeoutMs, keyTimeoutMs) };
  const bodyDigest = createHash("sha256").update(request.body).digest();
  await prove(deps, arriving, { bodyDigest, call });
  const { events, unreadable } = await readEvents(deps, arriving, call);
  const stored = await storeWebhook(deps.storage, {
    connector,
    events,
    unreadable,
    bodyDigest,
    payload: writePayload(request),
    receivedAt: request.receivedAt,
  }).catch((error: unknown) => {
    if (error instanceof BatcherFullError) countArrival(connector, "unavailable");
    throw error;
  });
  countArrival(connector, "accepted", stored.accepted);
  countArrival(connector, "repeated", stored.repeated);
}

async function prove(
  deps: Dependencies,
  { connector, reader, request, actor, mayAlert }: Arriving,
  { bodyDigest, call }: { bodyDigest: Buffer; call: ProviderCall },
): Promise<void> {
  try {
    await reader.verify(request, call);
  } catch (error) {
    if (error instanceof ProviderError) {
      countArrival(connector, "unavailable");
      deps.log.warn({ connector, ...failureFacts(error) }, "webhook keys cannot be had");
      throw new DomainError("UNAVAILABLE", {}, { cause: error });
    }
    if (!(error instanceof WebhookRefused)) throw error;
    countArrival(connector, "refused");
    deps.log.warn({ connector, reason: error.reason }, "webhook refused");
    if (!(await mayAlert())) throw new DomainError("RATE_LIMITED", { retryAfterSeconds: 60 });
    await recordRefusal(deps.storage, {
      connector,
      reason: error.reason,
      bodyDigest,
      bodyBytes: request.body.length,
      actor,
      now: request.receivedAt,
    });
    throw new DomainError("WEBHOOK_REFUSED");
  }
}

async function readEvents(
  deps: Dependencies,
  { connector, reader, request }: Arriving,
  call: ProviderCall,
): Promise<{ events: readonly ProviderEvent[]; unreadable?: string }> {
  try {
    const events = await reader.read(request, call);
    if (events.length > eventsMax) return { events: [unreadableEvent], unreadable: "too_many_events" };
    // One without an event is kept all the same: a repeat of it is then known.
    return { events: events.length === 0 ? [{ type: "none", effect: { kind: "ignore" } }] : events };
  } catch (error) {
    deps.log.error({ err: error, connector: connector }, "webhook not understood");
    return { events: [unreadableEvent], unreadable: "not_understood" };
  }
}

const unreadableEvent: ProviderEvent = { type: unreadableType, effect: { kind: "fetch" } };
