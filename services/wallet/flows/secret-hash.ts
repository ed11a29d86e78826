import { hkdfSync } from "node:crypto";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { createSealedBox, type SealedBox } from "../../platform/vault/sealed-box.ts";

/** What a hashed secret is, so that a hash stored for one thing never matches another. */
export type SecretPurpose =
  | "device_credential"
  | "challenge"
  | "sign_in_code"
  | "web_session"
  | "oauth_state"
  | "refused_refresh";

/** Keyed hash of a secret for a column, 32 bytes. */
export type SecretHash = (purpose: SecretPurpose, secret: string) => Buffer;

/**
 * Hash and box of this deployment, both derived from its encryption key by HKDF-SHA256 (RFC 5869) under different labels.
 * The key has 32 or more characters; the configuration checks that.
 */
export function deriveSecrets(encryptionKey: string): { readonly hash: SecretHash; readonly box: SealedBox } {
  const pepper = derive(encryptionKey, "paymesh wallet hash");
  const sealing = derive(encryptionKey, "paymesh wallet box");
  return {
    hash: (purpose, secret) => keyedHash(pepper, `${purpose}\0${secret}`),
    box: createSealedBox({ keys: new Map([["k1", sealing]]), currentKeyId: "k1" }),
  };
}

function derive(key: string, label: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, "", label, 32));
}
