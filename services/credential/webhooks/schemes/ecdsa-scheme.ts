import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { assertFresh, parseSignedTime } from "./freshness.ts";
import { headerOf, refused, type WebhookScheme } from "./scheme.ts";

/** Options of `createEcdsaScheme`. */
export interface EcdsaSchemeOptions {
  /** Lower case; so are the two below. */
  readonly signatureHeader: string;
  readonly timestampHeader: string;
  /** Names the algorithm; a webhook that names another than `SHA256withECDSA` is refused. */
  readonly algorithmHeader: string;
  /** Public keys on P-256 in PEM; any of them is taken. Not empty. */
  readonly publicKeys: readonly string[];
  /** `der` as Java makes it, or `ieee-p1363`: r and s side by side, 64 bytes. */
  readonly form: "der" | "ieee-p1363";
  readonly encoding: "hex" | "base64";
}

/**
 * ECDSA with SHA-256 on P-256 over the raw body, a full stop, and the text of the timestamp header: Mastercard's webhook service.
 * Throws a RangeError at once for a key of another kind.
 */
export function createEcdsaScheme(options: EcdsaSchemeOptions): WebhookScheme {
  const keys = options.publicKeys.map(readKey);
  if (keys.length === 0) throw new RangeError("an ECDSA scheme needs a public key");
  return async (request) => {
    const signature = readSignature(headerOf(request, options.signatureHeader), options.encoding);
    const algorithm = request.headers[options.algorithmHeader];
    if (algorithm !== undefined && algorithm.toLowerCase() !== "sha256withecdsa") {
      throw refused("signature_malformed");
    }
    const timestamp = request.headers[options.timestampHeader] ?? "";
    const signedAt = parseSignedTime(timestamp);
    if (signedAt === undefined) throw refused("timestamp_missing");
    const signed = Buffer.concat([request.body, Buffer.from(`.${timestamp}`)]);
    const fits = keys.some((key) => verify("sha256", signed, { key, dsaEncoding: options.form }, signature));
    if (!fits) throw refused("signature_wrong");
    assertFresh(signedAt, request);
  };
}

function readSignature(text: string, encoding: "hex" | "base64"): Buffer {
  const pattern = encoding === "hex" ? /^(?:[0-9a-fA-F]{2})+$/ : /^[A-Za-z0-9+/]+={0,2}$/;
  // A DER signature on P-256 has 72 bytes at most.
  if (text.length > 144 || !pattern.test(text)) throw refused("signature_malformed");
  return Buffer.from(text, encoding);
}

function readKey(pem: string): KeyObject {
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new RangeError("a webhook key must be on the curve P-256");
  }
  return key;
}
