/** The scope a wallet asks for; granting it makes a wallet credential. */
export const walletEnrollScope = "wallet:enroll";

/** What a credential may do, in the wallet API's own words. */
export type CredentialScope = "cards:read" | "payments:create";

/** Everything a wallet credential of this bank may do. */
export const credentialScopes: readonly CredentialScope[] = Object.freeze(["cards:read", "payments:create"]);

/** Under this many days left, a refresh brings a new credential. Contract section 2.12. */
export const renewBelowDays = 30;
const dayMs = 86_400_000;

/** A wallet credential as stored. */
export interface WalletCredential {
  readonly id: string;
  readonly grantId: string;
  readonly generation: number;
  readonly customerId: string;
  readonly fiUserRef: string;
  /** The wallet's OAuth client id. */
  readonly walletId: string;
  readonly walletName: string;
  readonly scopes: readonly string[];
  readonly cardIds: readonly string[];
  readonly credentialHash: Buffer;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | undefined;
  readonly revokedAt: Date | undefined;
}

/** Where a credential stands. Contract section 5: active, then revoked or expired, never back. */
export type CredentialState = "active" | "revoked" | "expired";

/** The state at a moment; a revoked credential stays revoked when its time is over. */
export function credentialState(credential: WalletCredential, now: Date): CredentialState {
  if (credential.revokedAt !== undefined) return "revoked";
  return credential.expiresAt.getTime() <= now.getTime() ? "expired" : "active";
}

/** What a token request gets: the newest credential again, the next generation, or none. */
export type CredentialDecision =
  | { readonly kind: "same"; readonly credential: WalletCredential }
  | { readonly kind: "next"; readonly generation: number }
  | { readonly kind: "none" };

/**
 * Decides by the newest credential of a grant. None yet: the first. Little time left or none: the next generation, the
 * consent stands. Revoked: none, whoever revoked it did not want another.
 */
export function decideCredential(newest: WalletCredential | undefined, now: Date): CredentialDecision {
  if (newest === undefined) return { kind: "next", generation: 1 };
  if (newest.revokedAt !== undefined) return { kind: "none" };
  const daysLeft = (newest.expiresAt.getTime() - now.getTime()) / dayMs;
  // A bank that issues for less than 30 days renews in the last third instead of at every refresh.
  const lifeDays = (newest.expiresAt.getTime() - newest.issuedAt.getTime()) / dayMs;
  return daysLeft < Math.min(renewBelowDays, lifeDays / 3)
    ? { kind: "next", generation: newest.generation + 1 }
    : { kind: "same", credential: newest };
}

/** The scopes as the OAuth-like string existing wallets read. `wallet:cards` is `cards:read`, `wallet:pay` `payments:create`. */
export function scopeText(scopes: readonly string[]): string {
  const words = [walletEnrollScope];
  if (scopes.includes("cards:read")) words.push("wallet:cards");
  if (scopes.includes("payments:create")) words.push("wallet:pay");
  return words.join(" ");
}
