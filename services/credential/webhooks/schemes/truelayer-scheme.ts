import { isUtf8 } from "node:buffer";
import { createPublicKey } from "node:crypto";
import { extractJku, extractKid, SignatureError, verify } from "truelayer-signing";
import { z } from "zod";
import type { ProviderCall } from "../../connectors/connector.ts";
import { ProviderError } from "../../connectors/provider-error.ts";
import { parseJson } from "../../connectors/provider-http.ts";
import type { RawWebhook } from "../../connectors/webhook-reader.ts";
import { assertFresh, parseSignedTime } from "./freshness.ts";
import { createKeyCache } from "./key-cache.ts";
import { headerOf, refused, type WebhookScheme } from "./scheme.ts";

const timestampHeader = "x-tl-webhook-timestamp";
const signatureLengthMax = 4_096;
const keySetAgeMaxMs = 3_600_000;
/** A key set this young is not fetched again for a key it does not hold. */
const refetchAfterMs = 60_000;

/** Options of `createTruelayerScheme`. */
export interface TruelayerSchemeOptions {
  /** Addresses of key sets that are believed, whole; any other in a signature is refused unasked. */
  readonly keySources: readonly string[];
  /** Fetches the JSON of a key set. Throws `ProviderError` when it cannot be had. */
  fetchKeySet(jku: string, call: ProviderCall): Promise<string>;
}

/** Public keys in PEM by id. */
type KeySet = ReadonlyMap<string, string>;

const keySetShape = z.object({
  keys: z
    .array(
      z.object({
        kty: z.literal("EC"),
        crv: z.literal("P-521"),
        kid: z.string().min(1).max(200),
        x: z.string().max(200),
        y: z.string().max(200),
      }),
    )
    .max(100),
});

/**
 * `Tl-Signature`: a detached JWS by ES512 over method, path, named headers and body, checked by TrueLayer's own library. Beyond the
 * library, the key set's address has to be a known one, and `X-Tl-Webhook-Timestamp` signed and recent.
 */
export function createTruelayerScheme(options: TruelayerSchemeOptions): WebhookScheme {
  const keySets = createKeyCache<KeySet>({
    fetch: async (jku, call) => readKeySet(await options.fetchKeySet(jku, call)),
    ageMaxMs: keySetAgeMaxMs,
  });
  return async (request, call) => {
    const signature = headerOf(request, "tl-signature");
    const { jku, kid } = sourceOf(signature);
    if (!options.keySources.includes(jku)) throw refused("key_source_refused");
    const key = (await keySets.get(jku, call))?.get(kid) ?? (await keySets.get(jku, call, refetchAfterMs))?.get(kid);
    if (key === undefined) throw refused("key_unknown");
    checkSignature(request, signature, key);
    assertFresh(parseSignedTime(request.headers[timestampHeader] ?? ""), request);
  };
}

function sourceOf(signature: string): { jku: string; kid: string } {
  if (signature.length > signatureLengthMax) throw refused("signature_malformed");
  try {
    const jku: unknown = extractJku(signature);
    const kid: unknown = extractKid(signature);
    if (typeof jku === "string" && typeof kid === "string") return { jku, kid };
  } catch {
    // Told below, like a signature that names no key.
  }
  throw refused("signature_malformed");
}

function checkSignature(request: RawWebhook, signature: string, publicKeyPem: string): void {
  // The library signs text: bytes that are no text would all become the same replacement character.
  if (!isUtf8(request.body)) throw refused("signature_wrong");
  try {
    verify({
      publicKeyPem,
      signature,
      // The library's enumeration of methods exists in its types alone; webhooks are posted.
      method: "POST" as Parameters<typeof verify>[0]["method"],
      // Signed without the query, which we have none of in the addresses we give out.
      path: request.path.split("?", 1)[0] ?? "",
      body: request.body.toString("utf8"),
      headers: { ...request.headers },
      requiredHeaders: [timestampHeader],
    });
  } catch (error) {
    const isMissing = error instanceof SignatureError && error.message.includes("missing required header");
    throw refused(isMissing ? "timestamp_missing" : "signature_wrong");
  }
}

function readKeySet(text: string): KeySet {
  const parsed = keySetShape.safeParse(parseJson(text));
  if (!parsed.success) throw new ProviderError("unavailable", { detail: "no key set" });
  try {
    // Once here by OpenSSL: the library would do it for every webhook, in JavaScript, at some 50 ms each.
    return new Map(parsed.data.keys.map((key) => [key.kid, pemOf(key)]));
  } catch {
    throw new ProviderError("unavailable", { detail: "no key set" });
  }
}

function pemOf(key: z.infer<typeof keySetShape>["keys"][number]): string {
  const { kty, crv, x, y } = key;
  return createPublicKey({ key: { kty, crv, x, y }, format: "jwk" }).export({ format: "pem", type: "spki" }).toString();
}
