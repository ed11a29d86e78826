/** Testing customers see only the institutions of this sandbox; active ones would see real banks elsewhere. */
export type CustomerType = "testing" | "active";

/** What a partner may tell of a customer. */
export interface CustomerDetails {
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
  readonly phone?: string | undefined;
  readonly email?: string | undefined;
}

/** A person of the partner's, known by a username that is used once for ever. */
export interface Customer {
  readonly customerId: bigint;
  readonly username: string;
  readonly type: CustomerType;
  readonly details: CustomerDetails;
  readonly createdAt: Date;
  readonly modifiedAt: Date;
}

/** Whether a username keeps to the policy: 6 to 255 characters, letters, digits and a few signs. */
export function isUsername(text: string): boolean {
  return /^[A-Za-z0-9!@.#$%&*_+-]{6,255}$/.test(text);
}

/** Whether a partner secret keeps to the policy: 12 to 255 characters with a letter and a digit. */
export function isPartnerSecret(text: string): boolean {
  return /^[A-Za-z0-9!@#$%&*_+-]{12,255}$/.test(text) && /[A-Za-z]/.test(text) && /\d/.test(text);
}
