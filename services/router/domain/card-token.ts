import type { BankDirectory } from "./bank-directory.ts";
import { parseWalletCardToken, walletCardTokenPrefix } from "./wallet-card-token.ts";

/** Longest card token taken, in characters: a signed access token with generous claims. */
export const cardTokenLengthMax = 8192;

/** Which bank a card token names. `malformed` is a `wsim_` token that cannot be read. */
export type CardTokenBank =
  | { readonly kind: "none" }
  | { readonly kind: "named"; readonly bankId: string }
  | { readonly kind: "malformed" };

const none: CardTokenBank = Object.freeze({ kind: "none" });
const malformed: CardTokenBank = Object.freeze({ kind: "malformed" });

/**
 * The bank a card token names: its `bsimId` claim, else its `iss` where a bank is registered with it. Nothing is verified:
 * the claim only routes, and the bank it leads to checks the token itself.
 */
export function readCardTokenBank(cardToken: string, directory: BankDirectory): CardTokenBank {
  if (cardToken.startsWith(walletCardTokenPrefix)) {
    const parsed = parseWalletCardToken(cardToken);
    return parsed === undefined ? malformed : { kind: "named", bankId: parsed.bankId };
  }
  const claims = readJwtClaims(cardToken);
  if (claims === undefined) return none;
  const claimed = claims["bsimId"];
  // An empty or non-text claim names no registered bank and so is declined; it must not fall through to the default bank.
  if (claimed !== undefined && claimed !== null) return { kind: "named", bankId: String(claimed) };
  const issuer = claims["iss"];
  const bankId = typeof issuer === "string" ? directory.bankIdByIssuer(issuer) : undefined;
  return bankId === undefined ? none : { kind: "named", bankId };
}

/** The claims of a JWT, unverified; undefined when the text is not one. Never throws. */
export function readJwtClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  if (token.length > cardTokenLengthMax) return undefined;
  const first = token.indexOf(".");
  const second = token.indexOf(".", first + 1);
  if (first <= 0 || second < 0 || token.indexOf(".", second + 1) >= 0) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.slice(first + 1, second), "base64url").toString("utf8"));
    if (typeof claims !== "object" || claims === null || Array.isArray(claims)) return undefined;
    return claims as Record<string, unknown>; // an object, checked above
  } catch {
    return undefined;
  }
}
