import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";

/** How long a wallet's card token can be used: a mobile approval may be redeemed six minutes later. Contract section 6. */
export const walletTokenLifeMs = 15 * 60_000;
/** How long a card token from a payment consent can be used. */
export const consentTokenLifeMs = 24 * 60 * 60_000;

const tokenType = "wallet_payment_token";
/** JWS compact form with HS256 (RFC 7515 section 7.1, RFC 7518 section 3.2). */
const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url");
/** A token longer than this is no token of ours. */
const tokenLengthMax = 4096;

/** What a wallet's card token says. Absent members are unbound and become bound by the first authorization. */
export interface WalletTokenClaims {
  /** Also the key of its row, `card_tokens.token_ref`. */
  readonly jti: string;
  readonly cardId: string;
  readonly fiUserRef: string;
  /** The wallet's OAuth client id. */
  readonly walletId: string;
  readonly merchantId?: string;
  /** Decimal major units, as the contract wants it; the row keeps exact minor units and decides. */
  readonly amount?: number;
  readonly currency?: string;
  readonly bsimId: string;
}

/** Signs a wallet's card token, good for 15 minutes from `now`. The key has 32 bytes or more. */
export function issueWalletToken(key: Uint8Array, claims: WalletTokenClaims, now: Date): string {
  const { jti, ...rest } = claims;
  const iat = Math.floor(now.getTime() / 1000);
  const payload = { type: tokenType, ...rest, jti, iat, exp: iat + walletTokenLifeMs / 1000 };
  const signed = `${header}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
  return `${signed}.${signatureOf(key, signed)}`;
}

/**
 * The `jti` of a wallet's card token of this bank, or undefined when it is forged, of another kind, another bank or not a
 * token at all. An expired one still gives its `jti`: the row says what became of it, so the answer can be exact. A key given
 * as bytes is imported anew each time, at four times the cost of the check itself.
 */
export function readWalletToken(
  key: KeyObject | Uint8Array,
  token: string,
  expected: { readonly bsimId: string },
): string | undefined {
  if (token.length > tokenLengthMax) return undefined;
  const [givenHeader, payload, signature, ...more] = token.split(".");
  // The header must be letter for letter the one written here, so there is no algorithm to choose or to leave out.
  if (givenHeader !== header || payload === undefined || signature === undefined || more.length > 0) return undefined;
  const right = Buffer.from(signatureOf(key, `${header}.${payload}`));
  const given = Buffer.from(signature);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  // Signed by this bank, hence JSON of its own making.
  const claims: Partial<Record<string, unknown>> = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  const ours = claims["type"] === tokenType && claims["bsimId"] === expected.bsimId;
  return ours && typeof claims["jti"] === "string" ? claims["jti"] : undefined;
}

function signatureOf(key: KeyObject | Uint8Array, signed: string): string {
  return createHmac("sha256", key).update(signed).digest("base64url");
}

/** Whether the text has the form of a card token from a payment consent. */
export function isConsentToken(token: string): boolean {
  return /^ctok_[0-9a-f]{32}$/.test(token);
}
