import { isUtf8 } from "node:buffer";
import { Webhook } from "standardwebhooks";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import { assertFresh } from "./freshness.ts";
import { headerOf, refused, type WebhookScheme } from "./scheme.ts";

const signaturesMax = 10;

/** Options of `createStandardWebhooksScheme`. */
export interface StandardWebhooksSchemeOptions {
  /** As the provider shows them, `whsec_` and base64; any of them is taken. Not empty. */
  readonly secrets: readonly string[];
}

/**
 * Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`, a list of `v1,` and base64: Basiq. The official
 * library makes the signatures; time is the service's own clock, where the library's `verify` would read the machine's.
 */
export function createStandardWebhooksScheme(options: StandardWebhooksSchemeOptions): WebhookScheme {
  const signers = options.secrets.map((secret) => new Webhook(secret));
  if (signers.length === 0) throw new RangeError("a Standard Webhooks scheme needs a secret");
  return async (request) => {
    const id = headerOf(request, "webhook-id");
    const timestamp = headerOf(request, "webhook-timestamp");
    const given = headerOf(request, "webhook-signature").split(" ").slice(0, signaturesMax);
    // A full stop parts the signed text; with one inside the id, parts could be moved over it.
    if (!/^[A-Za-z0-9_:-]{1,255}$/.test(id) || !/^\d{9,10}$/.test(timestamp)) {
      throw refused("signature_malformed");
    }
    // The library signs text: bytes that are no text would all become the same replacement character.
    if (!isUtf8(request.body)) throw refused("signature_wrong");
    const signedAt = new Date(Number(timestamp) * 1000);
    const expected = signers.map((signer) => signer.sign(id, signedAt, request.body));
    const fits = expected.flatMap((right) => given.map((each) => textsEqual(each, right)));
    if (!fits.includes(true)) throw refused("signature_wrong");
    assertFresh(signedAt, request);
  };
}
