/** What a bank is to forget. Absent members were never there. */
export interface SecretsToRevoke {
  readonly credential?: string | undefined;
  readonly refreshToken?: string | undefined;
  readonly accessToken?: string | undefined;
  /** How the provider names the connection; no secret, and needed by some to end it. */
  readonly providerReference?: string | undefined;
  /** Of a consent that never became a connection: what its beginning left to be kept. */
  readonly proofs?: string | undefined;
}
