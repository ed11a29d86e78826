import { hkdfSync } from "node:crypto";

/** Keys of one bank, each for one purpose. */
export interface BankKeys {
  /** Signs wallet card tokens (HS256). */
  readonly cardToken: Buffer;
  /** Pepper of stored tokens' keyed hashes. */
  readonly tokenPepper: Buffer;
  /** Signs form tokens. */
  readonly csrf: Buffer;
  /** Signs the OIDC server's cookies. */
  readonly cookies: Buffer;
  /** Seals the OIDC signing keys. */
  readonly sealing: Buffer;
}

/**
 * Derives the bank's keys from its one secret by HKDF-SHA256 (RFC 5869), salted with the bank's id: two banks that were
 * given the same secret by mistake still do not accept each other's tokens.
 */
export function deriveBankKeys(secret: string, bsimId: string): BankKeys {
  const derive = (purpose: string) => Buffer.from(hkdfSync("sha256", secret, `paymesh-bank:${bsimId}`, purpose, 32));
  return {
    cardToken: derive("card-token"),
    tokenPepper: derive("token-pepper"),
    csrf: derive("csrf"),
    cookies: derive("cookies"),
    sealing: derive("oidc-signing-keys"),
  };
}
