import { createHash, randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import type { SealedBox } from "../../../platform/vault/sealed-box.ts";
import type { SignatureMode } from "../domain/settings.ts";
import type { KeyStore, StoredKey } from "../storage/key-store.ts";

const staleSeconds = 10 * 60;

/** Signs webhooks as Plaid does, and wrongly on request. */
export interface WebhookSigner {
  /** The value of `Plaid-Verification` for these bytes; undefined when the mode is to send none. */
  sign(body: string, options: { now: Date; mode: SignatureMode }): Promise<string | undefined>;
  /** Makes a new key current; the old one is told as expired from now on. Returns the new key's id. */
  rotate(now: Date): Promise<string>;
  /** Makes the first key where there is none. */
  begin(now: Date): Promise<void>;
}

/**
 * `Plaid-Verification`: a JWT by ES256 with `iat` and the SHA-256 of the body in hex. Private keys lie sealed, bound to
 * their id.
 */
export function createWebhookSigner(keys: KeyStore, box: SealedBox): WebhookSigner {
  return {
    async sign(body, { now, mode }) {
      if (mode === "missing") return undefined;
      const key = await keys.current();
      if (key === undefined) throw new Error("there is no key to sign webhooks with");
      const signed = mode === "wrong_body" ? `${body} ` : body;
      const iat = Math.floor(now.getTime() / 1000) - (mode === "stale" ? staleSeconds : 0);
      const token = new SignJWT({ request_body_sha256: createHash("sha256").update(signed).digest("hex") });
      token.setIssuedAt(iat);
      if (mode === "wrong_algorithm") {
        // The classic confusion: a symmetric signature by what the receiver knows of the public key.
        const secret = new TextEncoder().encode(JSON.stringify(key.publicKey));
        return token.setProtectedHeader({ alg: "HS256", kid: key.kid, typ: "JWT" }).sign(secret);
      }
      const header = { alg: "ES256", kid: key.kid, typ: "JWT" };
      const privateKey = mode === "wrong_key" ? (await generateKeyPair("ES256")).privateKey : await openKey(key, box);
      return token.setProtectedHeader(header).sign(privateKey);
    },
    async rotate(now) {
      const key = await makeKey(now, box);
      await keys.rotate(key);
      return key.kid;
    },
    async begin(now) {
      if ((await keys.current()) === undefined) await keys.begin(await makeKey(now, box));
    },
  };
}

async function makeKey(now: Date, box: SealedBox): Promise<Omit<StoredKey, "expiredAt">> {
  const kid = randomUUID();
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const { x = "", y = "" } = await exportJWK(publicKey);
  const sealed = box.seal(JSON.stringify(await exportJWK(privateKey)), `webhook-key:${kid}`);
  return { kid, publicKey: { x, y }, sealedPrivateKey: sealed, createdAt: now };
}

function openKey(key: StoredKey, box: SealedBox) {
  const jwk: JWK = JSON.parse(box.open(key.sealedPrivateKey, `webhook-key:${key.kid}`).toString("utf8"));
  return importJWK(jwk, "ES256");
}
