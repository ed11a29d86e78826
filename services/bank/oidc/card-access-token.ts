import { jwtVerify, SignJWT } from "jose";

const tokenType = "wallet_card_access";
const lifeSeconds = 300;

/**
 * Signs the short token with which a wallet, enrolling from inside the bank, may list all of a customer's cards once:
 * `{sub, type: "wallet_card_access", scope: "cards:read"}`, 5 minutes.
 */
export function issueCardAccessToken(key: Uint8Array, issuer: string, fiUserRef: string, now: Date): Promise<string> {
  const issuedAt = Math.floor(now.getTime() / 1000);
  return new SignJWT({ type: tokenType, scope: "cards:read" })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer(issuer)
    .setAudience(issuer)
    .setSubject(fiUserRef)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + lifeSeconds)
    .sign(key);
}

/** The customer such a token speaks for; undefined when it is forged, over, or of another kind. */
export async function readCardAccessToken(
  key: Uint8Array,
  issuer: string,
  token: string,
  now: Date,
): Promise<string | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ["HS256"],
      typ: "JWT",
      issuer,
      audience: issuer,
      requiredClaims: ["sub", "exp"],
      currentDate: now,
    });
    return payload["type"] === tokenType && payload["scope"] === "cards:read" ? payload.sub : undefined;
  } catch {
    return undefined;
  }
}
