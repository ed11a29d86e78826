import { type JWTPayload, jwtVerify, SignJWT } from "jose";

/** How long a wallet's card token can be used: a mobile approval may be redeemed six minutes later. Contract section 6. */
export const walletTokenLifeMs = 15 * 60_000;
/** How long a card token from a payment consent can be used. */
export const consentTokenLifeMs = 24 * 60 * 60_000;

const tokenType = "wallet_payment_token";
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

/** Signs a wallet's card token (HS256), good for 15 minutes from `now`. The key has 32 bytes or more. */
export function issueWalletToken(key: Uint8Array, claims: WalletTokenClaims, now: Date): Promise<string> {
  const { jti, ...rest } = claims;
  const issuedAtSeconds = Math.floor(now.getTime() / 1000);
  return new SignJWT({ type: tokenType, ...rest })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setJti(jti)
    .setIssuedAt(issuedAtSeconds)
    .setExpirationTime(issuedAtSeconds + walletTokenLifeMs / 1000)
    .sign(key);
}

/**
 * The `jti` of a wallet's card token of this bank, or undefined when it is forged, of another kind, another bank or not a
 * token at all. An expired one still gives its `jti`: the row says what became of it, so the answer can be exact.
 */
export async function readWalletToken(
  key: Uint8Array,
  token: string,
  expected: { readonly bsimId: string },
): Promise<string | undefined> {
  if (token.length > tokenLengthMax) return undefined;
  let payload: JWTPayload;
  try {
    // Time is not judged here, hence the epoch as current date; the row's `expires_at` is.
    ({ payload } = await jwtVerify(token, key, { algorithms: ["HS256"], currentDate: new Date(0), typ: "JWT" }));
  } catch {
    return undefined;
  }
  if (payload["type"] !== tokenType || payload["bsimId"] !== expected.bsimId) return undefined;
  return payload.jti;
}

/** Whether the text has the form of a card token from a payment consent. */
export function isConsentToken(token: string): boolean {
  return /^ctok_[0-9a-f]{32}$/.test(token);
}
