import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { isConsentToken, readWalletToken } from "../domain/card-token.ts";
import type { BankKeys } from "./bank-keys.ts";

/** The row a card token stands for (`card_tokens.token_ref`), undefined for a text that is no valid token of this bank. */
export type CardTokenReader = (token: string) => Promise<string | undefined>;

/** Makes the reader the payment network looks tokens up with; both forms, `ctok_…` and the wallet's JWT, are understood. */
export function createCardTokenReader(options: {
  readonly keys: Pick<BankKeys, "cardToken" | "tokenPepper">;
  readonly bsimId: string;
}): CardTokenReader {
  return async (token) =>
    isConsentToken(token)
      ? consentTokenRef(options.keys.tokenPepper, token)
      : readWalletToken(options.keys.cardToken, token, { bsimId: options.bsimId });
}

/** How a consent's card token is kept: the hex of its keyed hash. */
export function consentTokenRef(pepper: Uint8Array, token: string): string {
  return keyedHash(pepper, token).toString("hex");
}
