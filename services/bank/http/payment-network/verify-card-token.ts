import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { decodeJwt } from "jose";
import { hashesEqual } from "../../../platform/secrets/keyed-hash.ts";
import { isConsentToken } from "../../domain/card-token.ts";
import type { BankKeys } from "../../oidc/bank-keys.ts";
import { consentTokenRef } from "../../oidc/card-token-reader.ts";
import type { ReadBankAccess } from "../open-banking/bank-access.ts";
import type { ReadCardToken } from "./payment-network.ts";

const tokenLengthMax = 4_096;
const jtiLengthMax = 100;
const accessTokenShape = /^[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}$/;

/**
 * Verifies card tokens for the payment network and gives the reference each is stored under. Wallet and consent tokens are
 * read as `createCardTokenReader` does, without leaving the thread: WebCrypto's hand-over to the thread pool costs 150
 * microseconds of CPU for an HMAC of two, which on the busiest path of the bank was a third of everything.
 *
 * A merchant may also send its whole access token: it stands for the consent token inside it.
 */
export function createCardTokenVerifier(options: {
  readonly keys: Pick<BankKeys, "cardToken" | "tokenPepper">;
  readonly bsimId: string;
  readonly readAccess: ReadBankAccess;
}): ReadCardToken {
  const { keys, bsimId, readAccess } = options;
  // A key given as bytes is imported anew by every HMAC, at four times the cost of the HMAC itself.
  const cardTokenKey = createSecretKey(keys.cardToken);
  return (cardToken) => {
    if (isConsentToken(cardToken)) return consentTokenRef(keys.tokenPepper, cardToken);
    const jti = verifyWalletToken(cardTokenKey, cardToken, bsimId);
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

/** The `jti` of a wallet's card token (JWS compact, HS256) of this bank; undefined for anything else. */
export function verifyWalletToken(key: KeyObject, token: string, bsimId: string): string | undefined {
  if (token.length > tokenLengthMax) return undefined;
  const [header, payload, signature, ...more] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return undefined;
  // Signature first: nothing that was not signed by this bank is parsed.
  const expected = createHmac("sha256", key).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature, "base64url");
  // A second spelling of the same bytes would be a second token text.
  if (!hashesEqual(given, expected) || given.toString("base64url") !== signature) return undefined;
  const { alg, typ, crit } = readObject(header);
  if (alg !== "HS256" || typ !== "JWT" || crit !== undefined) return undefined;
  const { type, bsimId: bank, jti } = readObject(payload);
  if (type !== "wallet_payment_token" || bank !== bsimId) return undefined;
  return typeof jti === "string" && jti.length <= jtiLengthMax ? jti : undefined;
}

function readObject(part: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
