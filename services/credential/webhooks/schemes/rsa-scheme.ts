import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { type BodyClock, checkBodyClock } from "./body-clock.ts";
import { headerOf, refused, type WebhookScheme } from "./scheme.ts";

const modulusBitsMin = 2048;

/** Options of `createRsaScheme`. */
export interface RsaSchemeOptions {
  /** Lower case. */
  readonly header: string;
  /** Public keys in PEM, 2048 bits or more; any of them is taken. Not empty. */
  readonly publicKeys: readonly string[];
  readonly clock?: BodyClock | undefined;
}

/** RSASSA-PKCS1-v1_5 with SHA-256 over the raw body, in base64: Wise. Throws a RangeError at once for a key that is not RSA. */
export function createRsaScheme(options: RsaSchemeOptions): WebhookScheme {
  const { header, clock } = options;
  const keys = options.publicKeys.map(readKey);
  if (keys.length === 0) throw new RangeError("an RSA scheme needs a public key");
  return async (request) => {
    const text = headerOf(request, header);
    if (text.length > 2_048 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw refused("signature_malformed");
    const signature = Buffer.from(text, "base64");
    if (!keys.some((key) => verify("sha256", request.body, key, signature))) {
      throw refused("signature_wrong");
    }
    checkBodyClock(clock, request);
  };
}

function readKey(pem: string): KeyObject {
  const key = createPublicKey(pem);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== "rsa" || bits < modulusBitsMin) {
    throw new RangeError(`a webhook key must be RSA with ${modulusBitsMin} bits or more`);
  }
  return key;
}
