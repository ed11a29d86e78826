import { createSecretKey } from "node:crypto";
import { decodeJwt } from "jose";
import { isConsentToken, readWalletToken } from "../../domain/card-token.ts";
import type { BankKeys } from "../../oidc/bank-keys.ts";
import { consentTokenRef } from "../../oidc/consent-token-ref.ts";
import type { ReadBankAccess } from "../open-banking/bank-access.ts";
import type { ReadCardToken } from "./payment-network.ts";

const accessTokenShape = /^[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}$/;

/**
 * Verifies card tokens for the payment network and gives the reference each is stored under (`card_tokens.token_ref`). A
 * merchant may also send its whole access token: it stands for the consent token inside it.
 */
export function createCardTokenVerifier(options: {
  readonly keys: Pick<BankKeys, "cardToken" | "tokenPepper">;
  readonly bsimId: string;
  readonly readAccess: ReadBankAccess;
}): ReadCardToken {
  const { keys, bsimId, readAccess } = options;
  const cardTokenKey = createSecretKey(keys.cardToken);
  return (cardToken) => {
    if (isConsentToken(cardToken)) return consentTokenRef(keys.tokenPepper, cardToken);
    const jti = readWalletToken(cardTokenKey, cardToken, { bsimId });
    if (jti !== undefined || !accessTokenShape.test(cardToken)) return jti;
    return consentInside(readAccess, keys.tokenPepper, cardToken);
  };
}

async function consentInside(
  readAccess: ReadBankAccess,
  pepper: Uint8Array,
  accessToken: string,
): Promise<string | undefined> {
  const access = await readAccess(accessToken);
  if (access?.scopes.has("payment:authorize") !== true) return undefined;
  // Verified just above, so its claims are ours.
  const { card_token: inside } = decodeJwt(accessToken);
  return typeof inside === "string" && isConsentToken(inside) ? consentTokenRef(pepper, inside) : undefined;
}
