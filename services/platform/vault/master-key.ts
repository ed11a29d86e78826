import { hkdfSync } from "node:crypto";

const charactersMin = 32;
const keyBytes = 32;

/**
 * Derives a master key (32 bytes) from the configured secret by HKDF-SHA256 (RFC 5869). The secret must be random: HKDF spreads
 * entropy, it does not add any. `use` keeps apart keys that different services derive from secrets an operator made equal.
 * Throws an Error "Encryption key required" for a secret under 32 characters.
 */
export function deriveMasterKey(secret: string | undefined, use: string): Buffer {
  if (secret === undefined || secret.length < charactersMin) throw new Error(encryptionKeyRequired);
  return Buffer.from(hkdfSync("sha256", secret, "paymesh master key", use, keyBytes));
}

/** The text a service refuses to start with when its encryption key is missing or too short. */
export const encryptionKeyRequired = "Encryption key required";
