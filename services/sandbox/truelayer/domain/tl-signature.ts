import { createHmac, type KeyObject, sign } from "node:crypto";

/** What a webhook's signature covers. */
export interface SignedWebhook {
  /** Of the receiver's address, without the query. */
  readonly path: string;
  /** In the order and casing they are signed and sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Which key signs. */
export interface WebhookSigner {
  readonly kid: string;
  /** Where receivers find its public half. */
  readonly jku: string;
  /** On curve P-521. */
  readonly privateKey: KeyObject;
}

/**
 * The `Tl-Signature` of a POST: a JWS with detached payload (RFC 7515, appendix F), ES512, over method and path, the
 * headers named in `tl_headers`, one a line, and the body.
 */
export function tlSignature(webhook: SignedWebhook, signer: WebhookSigner): string {
  const header = encode(
    JSON.stringify({
      alg: "ES512",
      kid: signer.kid,
      tl_version: "2",
      tl_headers: webhook.headers.map(([name]) => name).join(","),
      jku: signer.jku,
    }),
  );
  const lines = webhook.headers.map(([name, value]) => `${name}: ${value}\n`).join("");
  const payload = encode(`POST ${webhook.path}\n${lines}${webhook.body}`);
  // JWS carries r and s side by side, not in DER.
  const key = { key: signer.privateKey, dsaEncoding: "ieee-p1363" } as const;
  return `${header}..${sign("sha512", Buffer.from(`${header}.${payload}`), key).toString("base64url")}`;
}

/** The other scheme: HMAC-SHA256 of the body under a shared secret, in lower-case hex. */
export function hmacSignature(body: string, secret: string): string {
  return createHmac("sha256", secret).update(body, "utf8").digest("hex");
}

function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64url");
}
