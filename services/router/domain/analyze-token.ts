import type { BankDirectory } from "./bank-directory.ts";
import { cardTokenLengthMax, readCardTokenBank, readJwtClaims } from "./card-token.ts";
import { walletCardTokenPrefix } from "./wallet-card-token.ts";

/** What a token is and where it would be routed. Holds no part of the token beyond a public prefix. */
export interface TokenReport {
  readonly preview: string;
  readonly prefix: string | undefined;
  readonly bankId: string | undefined;
  readonly isJwt: boolean;
  readonly tokenType: TokenType;
  readonly isWalletToken: boolean;
  readonly length: number;
  readonly warnings: readonly string[];
  readonly jwt: JwtReport | undefined;
}

/** The kinds of token the Router tells apart. */
export type TokenType =
  | "wallet_card_token"
  | "wallet_payment_token"
  | "bank_consent_token"
  | "bank_access_token"
  | "jwt"
  | "unknown";

/** Times and origin of a JWT; claims of a payment are never among them. */
export interface JwtReport {
  readonly expiresAt: Date | undefined;
  readonly issuedAt: Date | undefined;
  /** Only an issuer some bank is registered with. */
  readonly issuer: string | undefined;
  /** Only a type of the contract. */
  readonly type: string | undefined;
}

/** Prefixes that are public by themselves and the words for them. */
export const tokenPrefixes: readonly string[] = Object.freeze([walletCardTokenPrefix, "ctok_"]);

/** Values of a JWT's `type` claim the Router knows. */
export const jwtTypes: readonly string[] = Object.freeze(["wallet_payment_token", "wallet_card_access", "access"]);

/** The last second a JWT may name: the year 9999. */
const epochSecondsMax = 253_402_300_799;

/** Describes a token for an integrator without revealing it: no character of it beyond a public prefix is repeated. */
export function analyzeToken(token: string, directory: BankDirectory, now: Date): TokenReport {
  const prefix = tokenPrefixes.find((known) => token.startsWith(known));
  const claims = prefix === undefined ? readJwtClaims(token) : undefined;
  const jwt = claims === undefined ? undefined : describeJwt(claims, directory);
  const named = readCardTokenBank(token, directory);
  // A bank id is repeated only where it is registered: a forged claim could hold anything.
  const bankId = named.kind === "named" && directory.bank(named.bankId) !== undefined ? named.bankId : undefined;
  return {
    preview: `${prefix ?? (jwt === undefined ? "" : "eyJ")}…`,
    prefix,
    bankId,
    isJwt: jwt !== undefined,
    tokenType: typeOf(prefix, claims, jwt),
    isWalletToken: prefix === walletCardTokenPrefix || jwt?.type === "wallet_payment_token",
    length: token.length,
    warnings: warningsOf({ token, named: named.kind, bankId, jwt, directory, now }),
    jwt,
  };
}

function typeOf(
  prefix: string | undefined,
  claims: Readonly<Record<string, unknown>> | undefined,
  jwt: JwtReport | undefined,
): TokenType {
  if (prefix === walletCardTokenPrefix) return "wallet_card_token";
  if (prefix !== undefined) return "bank_consent_token";
  if (claims === undefined || jwt === undefined) return "unknown";
  if (jwt.type === "wallet_payment_token") return "wallet_payment_token";
  return jwt.issuer === undefined ? "jwt" : "bank_access_token";
}

function describeJwt(claims: Readonly<Record<string, unknown>>, directory: BankDirectory): JwtReport {
  const issuer = claims["iss"];
  const type = claims["type"];
  return {
    expiresAt: epochSeconds(claims["exp"]),
    issuedAt: epochSeconds(claims["iat"]),
    issuer: typeof issuer === "string" && directory.bankIdByIssuer(issuer) !== undefined ? issuer : undefined,
    type: typeof type === "string" && jwtTypes.includes(type) ? type : undefined,
  };
}

function epochSeconds(value: unknown): Date | undefined {
  if (typeof value !== "number" || !(value >= 0 && value <= epochSecondsMax)) return undefined;
  return new Date(Math.trunc(value) * 1000);
}

interface WarningFacts {
  readonly token: string;
  readonly named: "none" | "named" | "malformed";
  readonly bankId: string | undefined;
  readonly jwt: JwtReport | undefined;
  readonly directory: BankDirectory;
  readonly now: Date;
}

function warningsOf(facts: WarningFacts): string[] {
  const warnings: string[] = [];
  if (facts.token.length > cardTokenLengthMax) warnings.push("Longer than any token that is taken");
  if (facts.named === "malformed") warnings.push("Starts like a wallet card token but cannot be read as one");
  if (facts.named === "named" && facts.bankId === undefined) warnings.push("Names a bank that is not registered");
  if (facts.named === "none") warnings.push("Names no bank: without a walletCardToken the default bank is asked");
  const bank = facts.bankId === undefined ? undefined : facts.directory.bank(facts.bankId);
  if (bank !== undefined && bank.status !== "active") warnings.push(`The bank is ${bank.status}`);
  if (facts.jwt?.expiresAt !== undefined && facts.jwt.expiresAt <= facts.now) warnings.push("The token has expired");
  return warnings;
}
