import { decodeJwt } from "jose";
import { z } from "zod";
import type { Claims } from "../../domain/owner-reference.ts";
import { claimText } from "../../domain/owner-reference.ts";
import type { TokenSet } from "../connector.ts";

const tokenLengthMax = 16 * 1024;
const secondsMax = 400 * 86_400;

/** RFC 6749, section 5.1, as banks send it; `expires_in` comes as text from some. */
export const tokenAnswerShape = z.looseObject({
  access_token: z.string().min(1).max(tokenLengthMax),
  refresh_token: z.string().min(1).max(tokenLengthMax).optional(),
  expires_in: z.coerce.number().positive().max(secondsMax).optional().catch(undefined),
  id_token: z.string().max(tokenLengthMax).optional().catch(undefined),
});

/** A token endpoint's answer, parsed. */
export type TokenAnswer = z.infer<typeof tokenAnswerShape>;

/**
 * The claims of a token that came straight from the bank's token endpoint. Not verified: the connection it came by vouches for
 * it. Empty for an opaque token.
 */
export function claimsOf(token: string | undefined): Claims {
  if (token === undefined) return {};
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

/** Splits an answer into secrets that end separately. `sources` are the claims to look for the wallet credential in, in order. */
export function toTokenSet(answer: TokenAnswer, sources: readonly Claims[], now: Date): TokenSet {
  const credential = claimText(sources, "wallet_credential", tokenLengthMax);
  return {
    accessToken: answer.access_token,
    accessTokenExpiresAt: accessTokenEnd(answer, now),
    refreshToken: answer.refresh_token,
    credential,
    // A credential of the opaque form says nothing of its end.
    credentialExpiresAt: credential === undefined ? undefined : expiryOf(claimsOf(credential)),
  };
}

/** `exp` (RFC 7519, seconds) as a time. */
export function expiryOf(claims: Claims): Date | undefined {
  const exp = claims["exp"];
  return typeof exp === "number" && exp > 0 && exp < 1e11 ? new Date(exp * 1000) : undefined;
}

function accessTokenEnd(answer: TokenAnswer, now: Date): Date | undefined {
  if (answer.expires_in !== undefined) return new Date(now.getTime() + answer.expires_in * 1000);
  return expiryOf(claimsOf(answer.access_token));
}
