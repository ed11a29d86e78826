import { DomainError } from "../../platform/errors/domain-error.ts";
import type { AuthContext, Authenticators } from "../../platform/rpc/authenticate.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { KeyKind } from "../domain/access-key.ts";
import type { AccessKeyStore, FoundKey } from "../storage/access-key-store.ts";

const keyLengthMax = 200;

/**
 * Proves banks by their registration key and merchants by their API key, both in `X-API-Key`. The header may hold a key of
 * any kind: one that is not of the kind asked for is refused, unless another authenticator of the method knows it.
 */
export function keyAuthenticators(deps: { keys: AccessKeyStore; pepper: string }): Authenticators {
  async function find(ctx: AuthContext, kind: KeyKind): Promise<FoundKey | undefined> {
    const given = ctx.header("x-api-key");
    if (given === undefined || given === "") return undefined;
    const found =
      given.length > keyLengthMax ? undefined : await deps.keys.findLive(kind, keyedHash(deps.pepper, given));
    // Looked up by a keyed hash: how long it takes says nothing of how much of a key was right.
    if (!found) throw new DomainError("UNAUTHENTICATED");
    return found;
  }
  return {
    bank: async (ctx) => {
      const found = await find(ctx, "bank");
      return found && { kind: "bank", bankId: found.ownerId };
    },
    merchant: async (ctx) => {
      const found = await find(ctx, "merchant");
      return found && { kind: "merchant", merchantId: found.ownerId, keyId: found.keyId };
    },
  };
}
