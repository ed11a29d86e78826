import { z } from "zod";
import { parseSignedTime } from "../../webhooks/schemes/freshness.ts";
import { createHmacScheme } from "../../webhooks/schemes/hmac-scheme.ts";
import type { WebhookScheme } from "../../webhooks/schemes/scheme.ts";
import { createTruelayerScheme } from "../../webhooks/schemes/truelayer-scheme.ts";
import { parseJson } from "../provider-http.ts";
import { type ProviderEvent, type WebhookEffectKind, type WebhookReader, WebhookRefused } from "../webhook-reader.ts";
import type { TrueLayerApi } from "./truelayer-api.ts";
import type { TrueLayerHosts, TrueLayerSettings } from "./truelayer-settings.ts";

/** The endpoint that a shared secret can be agreed for. Every other takes `Tl-Signature` alone. */
const agreedPath = "/api/v1/integrations/truelayer/webhook";
/** As long as TrueLayer sends a webhook again, and an hour: without a signed time, the body's has to do. */
const hmacAgeMaxMs = 73 * 3_600_000;

const bodyShape = z.looseObject({
  type: z.string().min(1).max(80),
  event_id: z.string().min(1).max(200).optional(),
  event_timestamp: z.iso.datetime({ offset: true }).optional(),
  credentials_id: z.string().min(1).max(200).optional(),
});

const effects: ReadonlyMap<string, WebhookEffectKind> = new Map([
  ["transaction.created", "sync_transactions"],
  ["account.updated", "sync_accounts"],
  ["balance.updated", "refresh_balances"],
  ["consent.revoked", "consent_revoked"],
]);

/** What webhooks are proved with. */
export interface TrueLayerWebhookOptions {
  readonly api: TrueLayerApi;
  readonly hosts: TrueLayerHosts;
  readonly settings: TrueLayerSettings;
}

/**
 * TrueLayer's webhooks. Which scheme proves them is a matter of the endpoint, never of what a webhook brings along: a sender cannot
 * choose the weaker one.
 */
export function createTrueLayerWebhooks(options: TrueLayerWebhookOptions): WebhookReader {
  const { settings } = options;
  const header = settings.TRUELAYER_WEBHOOK_HMAC_HEADER;
  const bySignature = signatureScheme(options);
  const bySecret = secretScheme(settings);
  return {
    headers: ["tl-signature", "x-tl-webhook-timestamp", header],
    verify: async (request, call) => {
      const isAgreed = request.path.split("?", 1)[0] === agreedPath;
      const scheme = isAgreed && bySecret !== undefined ? bySecret : bySignature;
      await scheme(request, call);
    },
    read: async (request): Promise<readonly ProviderEvent[]> => {
      const body = bodyShape.safeParse(parseJson(request.body.toString("utf8")));
      if (!body.success) throw new WebhookRefused("signature_malformed");
      const { type, event_id: eventId, event_timestamp: at, credentials_id: providerReference } = body.data;
      const occurredAt = at === undefined ? undefined : new Date(at);
      return [{ eventId, type, occurredAt, providerReference, effect: { kind: effects.get(type) ?? "ignore" } }];
    },
  };
}

function signatureScheme({ api, hosts, settings }: TrueLayerWebhookOptions): WebhookScheme {
  const verify = createTruelayerScheme({
    keySources: [hosts.keys],
    fetchKeySet: (jku, call) => api.keySet(jku, call),
  });
  const registered = settings.TRUELAYER_WEBHOOK_URL;
  if (registered === undefined) return verify;
  // TrueLayer signs the path it called; whatever stands before this service may have shortened it since.
  const path = new URL(registered).pathname;
  return (request, call) => verify({ ...request, path }, call);
}

function secretScheme(settings: TrueLayerSettings): WebhookScheme | undefined {
  const secret = settings.TRUELAYER_WEBHOOK_SECRET;
  if (settings.TRUELAYER_WEBHOOK_MODE !== "hmac" || secret === undefined) return undefined;
  return createHmacScheme({
    header: settings.TRUELAYER_WEBHOOK_HMAC_HEADER,
    secrets: [secret],
    clock: {
      signedAt: (body) => {
        const parsed = bodyShape.safeParse(parseJson(body.toString("utf8")));
        return parsed.success ? parseSignedTime(parsed.data.event_timestamp ?? "") : undefined;
      },
      withinMs: hmacAgeMaxMs,
    },
  });
}
