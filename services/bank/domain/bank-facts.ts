/** Who this bank is, as the registry keeps it and `/api/registry/info` shows it. */
export interface BankFacts {
  readonly bsimId: string;
  readonly name: string;
  /** Origin of wallet API and payment network, without `/api`. */
  readonly apiBaseUrl: string;
  /** Issuer of the bank's OIDC server. */
  readonly authServerUrl: string;
  readonly openBankingUrl: string;
  readonly supportedCardTypes: readonly string[];
  readonly walletEnrollmentSupported: boolean;
  /** What the payment network may count on: replay by `Idempotency-Key`, and void by the key of an authorize. */
  readonly capabilities: readonly string[];
}

/** Makes the facts of a bank of this build. */
export function bankFacts(identity: {
  readonly bsimId: string;
  readonly name: string;
  readonly apiBaseUrl: string;
  readonly authServerUrl: string;
  readonly openBankingUrl: string;
}): BankFacts {
  return Object.freeze({
    ...identity,
    supportedCardTypes: Object.freeze(["VISA", "MC"]),
    walletEnrollmentSupported: true,
    capabilities: Object.freeze(["idempotency", "void_by_key"]),
  });
}
