import type { ProviderCall } from "../../connectors/connector.ts";
import { type RawWebhook, WebhookRefused } from "../raw-webhook.ts";

/**
 * One way providers sign webhooks, made with the keys of one provider. Resolves for a webhook that provider sent, a moment ago
 * where the scheme knows times. Throws `WebhookRefused` for any other, and `ProviderError` when keys could not be fetched.
 */
export type WebhookScheme = (request: RawWebhook, call: ProviderCall) => Promise<void>;

/** The value of a header by lower-case name. Throws `WebhookRefused` when there is none. */
export function headerOf(request: RawWebhook, name: string): string {
  const value = request.headers[name];
  if (value === undefined || value === "") throw new WebhookRefused("signature_missing");
  return value;
}
