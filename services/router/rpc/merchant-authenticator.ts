import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Authenticator } from "../../platform/rpc/authenticate.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { MerchantKeys } from "../domain/merchant-keys.ts";

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
