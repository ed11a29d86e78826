import type { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { holdsDemoSecret } from "../../platform/config/demo-secrets.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { checkChosenSecret } from "../domain/access-key.ts";
import { parseNewBankId } from "../domain/bank-id.ts";
import type { KeyOwner } from "../storage/access-key-store.ts";
import type { RegistryDeps } from "./deps.ts";

type KeyMethods =
  | "createBankKey"
  | "revokeBankKey"
  | "createMerchantKey"
  | "revokeMerchantKey"
  | "createOauthClientSecret"
  | "revokeOauthClientSecret";

/** Issuing and revoking keys. A value leaves in the answer that made it and is kept as a keyed hash alone. */
export function keyHandlers(deps: RegistryDeps): Pick<Handlers<typeof Registry>, KeyMethods> {
  async function add(owner: KeyOwner, field: string, chosen: string | undefined) {
    const key = chosen
      ? checkChosenSecret(chosen, { field, rules: deps.rules, isPublished: holdsDemoSecret })
      : randomToken();
    const { keyId } = await deps.keys.add(owner, keyedHash(deps.pepper, key));
    return { keyId, key };
  }

  return {
    createBankKey: async (request, ctx) => {
      const bsimId = parseNewBankId(request.id);
      const { keyId, key } = await add({ kind: "bank", ownerId: bsimId }, "key", request.key);
      ctx.log.info({ bankId: bsimId, keyId }, "registration key issued");
      return { bsimId, keyId, key };
    },
    revokeBankKey: async (request, ctx) => {
      await deps.keys.revoke({ kind: "bank", ownerId: request.id }, request.keyId);
      ctx.log.info({ bankId: request.id, keyId: request.keyId }, "registration key revoked");
      return { success: true };
    },
    createMerchantKey: async (request, ctx) => {
      const { keyId, key } = await add({ kind: "merchant", ownerId: request.id }, "key", request.key);
      ctx.log.info({ merchantId: request.id, keyId }, "merchant key issued");
      return { merchantId: request.id, keyId, key };
    },
    revokeMerchantKey: async (request, ctx) => {
      await deps.keys.revoke({ kind: "merchant", ownerId: request.id }, request.keyId);
      ctx.log.info({ merchantId: request.id, keyId: request.keyId }, "merchant key revoked");
      return { success: true };
    },
    createOauthClientSecret: async (request, ctx) => {
      const owner: KeyOwner = { kind: "oauth_client", ownerId: request.id };
      const { keyId, key } = await add(owner, "secret", request.secret);
      ctx.log.info({ id: request.id, keyId }, "client secret issued");
      return { clientId: request.id, keyId, secret: key };
    },
    revokeOauthClientSecret: async (request, ctx) => {
      await deps.keys.revoke({ kind: "oauth_client", ownerId: request.id }, request.keyId);
      ctx.log.info({ id: request.id, keyId: request.keyId }, "client secret revoked");
      return { success: true };
    },
  };
}
