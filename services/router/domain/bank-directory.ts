/** A bank as the Router needs it, from the Registry's watch. */
export interface Bank {
  readonly bankId: string;
  readonly name: string;
  /** Origin and path below which `/api/payment-network` lies. */
  readonly apiBaseUrl: string;
  /** The bank's OIDC issuer: an access token used as card token names its bank by it. */
  readonly issuer: string;
  /** The key presented to the bank's payment network; never shown. */
  readonly apiKey: string;
  /** `active` takes payments, `maintenance` is paused, `inactive` is removed and only finishes old payments. */
  readonly status: BankStatus;
  /** False while the Registry's probe finds the bank down. */
  readonly healthy: boolean;
  /** The bank replays its answer for a repeated `Idempotency-Key`, so a lost answer may be asked for again. */
  readonly idempotency: boolean;
  /** The bank's `/void` takes the key sent with authorize, so a hold of unknown outcome can be released for certain. */
  readonly voidByKey: boolean;
}

/** See `Bank.status`. */
export type BankStatus = "active" | "inactive" | "maintenance";

/** The banks known now. Reads are from memory and never wait. */
export interface BankDirectory {
  /** The bank with exactly this id, whatever its status. */
  bank(bankId: string): Bank | undefined;
  /** The one bank registered with this issuer; undefined when none or several are. */
  bankIdByIssuer(issuer: string): string | undefined;
}
