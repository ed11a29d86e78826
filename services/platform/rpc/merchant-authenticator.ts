import { DomainError } from "../errors/domain-error.ts";
import { keyedHash } from "../secrets/keyed-hash.ts";
import type { Authenticator } from "./authenticate.ts";

/** A merchant's key as proved. */
export interface MerchantKey {
  readonly merchantId: string;
  readonly keyId: string;
}

/** The live keys of active merchants. Reads are from memory and never wait. */
export interface MerchantKeys {
  /** Whose key has this hash: `HMAC-SHA256(API_KEY_PEPPER, key)` in lower-case hex. */
  merchantKey(hashHex: string): MerchantKey | undefined;
}

/** Keys are short; anything longer is refused before it is hashed. */
const keyLengthMax = 256;

/**
 * Proves merchants by `X-API-Key`: the key's HMAC is looked up among those the Registry tells of. The time the lookup
 * takes says nothing of the key, since nobody without the pepper can choose a hash.
 */
export function merchantAuthenticator(pepper: string, keys: MerchantKeys): Authenticator {
  return async (ctx) => {
    const key = ctx.header("x-api-key");
    if (key === undefined) return undefined;
    const found = key.length > keyLengthMax ? undefined : keys.merchantKey(keyedHash(pepper, key).toString("hex"));
    if (found === undefined) throw new DomainError("UNAUTHENTICATED");
    return { kind: "merchant", merchantId: found.merchantId, keyId: found.keyId };
  };
}
