import type { ProviderCall } from "./connector.ts";

/** How a token of the installation is kept fresh. Ages count from when it was minted. */
export interface ProviderTokenPolicy {
  /** Older than this it is renewed, while the old one serves. */
  readonly renewAtAgeMs: number;
  /** Older than this it is never used. */
  readonly neverPastAgeMs: number;
  /** Refused mints in a row after which nobody tries again until an operator resumes it or the credentials change. */
  readonly failuresMax: number;
  /** A hash of what `mint` authenticates with: another one ends the wait after refusals. */
  readonly credentialsHash: string;
  /** Fails with `ProviderError`: `client_refused` counts as a refusal, anything else is worth another try. */
  mint(call: ProviderCall): Promise<{ readonly token: string; readonly expiresAt?: Date | undefined }>;
}

/** Tokens of the installation itself, one in force a name, shared by all replicas and sealed where they are kept. */
export interface ProviderTokens {
  /**
   * The token in force; mints one when there is none or it is due, one mint at a time over all replicas: others use the old one while
   * it is good, or wait. Throws `ProviderError` `client_refused` while minting is stopped, and whatever `mint` throws.
   */
  get(name: string, policy: ProviderTokenPolicy, call: ProviderCall): Promise<string>;
  /** The provider refused this token: forget it, if it still is the one in force. */
  reject(name: string, token: string): Promise<void>;
}
