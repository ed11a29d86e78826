import type { ProviderCall } from "../../connectors/connector.ts";
import { type RawWebhook, WebhookRefused } from "../../connectors/webhook-reader.ts";

/**
 * One way providers sign webhooks, made with the keys of one provider. Resolves for a webhook that provider sent, a moment ago
 * where the scheme knows times. Throws `WebhookRefused` for any other, and `ProviderError` when keys could not be fetched.
 */
export type WebhookScheme = (request: RawWebhook, call: ProviderCall) => Promise<void>;

/** The words schemes refuse with. */
export type SchemeRefusal =
  | "signature_missing"
  | "signature_malformed"
  | "signature_wrong"
  | "body_changed"
  | "timestamp_missing"
  | "stale"
  | "key_unknown"
  | "key_expired"
  | "key_source_refused";

/** Refuses with one of the words above. */
export function refused(reason: SchemeRefusal): WebhookRefused {
  return new WebhookRefused(reason);
}

/** The value of a header by lower-case name. Throws `WebhookRefused` when there is none. */
export function headerOf(request: RawWebhook, name: string): string {
  const value = request.headers[name];
  if (value === undefined || value === "") throw refused("signature_missing");
  return value;
}
