import type { Bank, BankDirectory } from "../domain/bank-directory.ts";

/** A bank with the facts a test does not care about. */
export function bankNamed(bankId: string, facts: Partial<Bank> = {}): Bank {
  return {
    bankId,
    name: bankId,
    apiBaseUrl: `http://127.0.0.1:1/${bankId}`,
    issuer: `https://${bankId}.example/oidc`,
    apiKey: `key-of-${bankId}`,
    status: "active",
    healthy: true,
    idempotency: true,
    voidByKey: true,
    ...facts,
  };
}

/** A directory of exactly these banks. */
export function directoryOf(...banks: readonly Bank[]): BankDirectory {
  return {
    bank: (bankId) => banks.find((bank) => bank.bankId === bankId),
    bankIdByIssuer: (issuer) => banks.find((bank) => bank.issuer === issuer)?.bankId,
  };
}

/** An unsigned JWT with these claims: the Router reads claims for routing and verifies nothing. */
export function jwtWith(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
  return `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}.c2lnbmF0dXJl`;
}
