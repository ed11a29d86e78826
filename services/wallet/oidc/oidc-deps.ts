import { hkdfSync } from "node:crypto";
import type { Database } from "../../platform/db/open-database.ts";
import type { BankDirectory } from "../clients/bank-directory.ts";
import type { OauthClientDirectory } from "../clients/oauth-clients.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import type { WalletOidcTables } from "../storage/oidc-payments-store.ts";

/** The API of merchants' access tokens (RFC 8707); their `aud`. */
export const paymentResource = "urn:wsim:payment-api";
/** The scope that asks for a payment. */
export const paymentScope = "payment:authorize";
/** How long a merchant may take to fetch what the customer has authorized. */
export const paymentContextMs = 10 * 60_000;

/** What the OIDC provider and the payment page are given, beside what every use case is. */
export interface OidcDeps extends WalletDeps {
  /** The wallet's own database again, with the provider's tables known. */
  readonly oidcDb: Database<WalletOidcTables>;
  readonly clients: OauthClientDirectory;
  readonly directory: BankDirectory;
  /** API_KEY_PEPPER: client secrets are compared as keyed hashes. */
  readonly clientSecretPepper: string;
  readonly keys: OidcKeys;
  /** Local mode alone: an issuer and redirect URIs without TLS. */
  readonly allowHttp: boolean;
}

/** Keys derived for cookies and forms; the same on every replica. */
export interface OidcKeys {
  readonly cookies: string;
  readonly csrf: Uint8Array;
}

/** Derives the keys from the wallet's encryption key by HKDF-SHA256 (RFC 5869), each under its own label. */
export function deriveOidcKeys(encryptionKey: string): OidcKeys {
  const derive = (label: string) => Buffer.from(hkdfSync("sha256", encryptionKey, "", label, 32));
  return { cookies: derive("paymesh wallet oidc cookies").toString("base64url"), csrf: derive("paymesh wallet csrf") };
}

/**
 * Checks that issuer and redirect URIs are safe to send codes to: https, or http only in local mode. Throws a RangeError.
 */
export function assertIssuerSafe(issuer: string, allowHttp: boolean): void {
  if (!issuer.startsWith("https://") && !allowHttp)
    throw new RangeError("WALLET_OIDC_ISSUER must be https outside local mode");
}
