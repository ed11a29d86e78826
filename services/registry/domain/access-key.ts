import { DomainError } from "../../platform/errors/domain-error.ts";

/** Whom a key admits: a bank that registers, a merchant at the Router, an OAuth client at the wallet. */
export type KeyKind = "bank" | "merchant" | "oauth_client";

/** A key without its value. */
export interface KeySummary {
  readonly keyId: string;
  readonly createdAt: Date;
  readonly revokedAt: Date | undefined;
}

/** Live keys one owner may have: enough to rotate, few enough to keep an eye on. */
export const liveKeysMax = 10;

const lengthMinInProduction = 32;
const lengthMax = 200;

/**
 * Checks a secret that somebody else chose: an operator's own key, or the key a bank wants to be called with.
 * @throws DomainError INVALID_ARGUMENT when it cannot stand in a header, is longer than 200 characters or, in production,
 * is published or shorter than `lengthMin`. The value is not repeated.
 */
export function checkChosenSecret(
  value: string,
  options: {
    readonly field: string;
    readonly rules: "local" | "production";
    /** Whether a value is known to the public. */
    readonly isPublished: (value: string) => boolean;
    readonly lengthMin?: number;
  },
): string {
  const refuse = (why: string): never => {
    throw new DomainError("INVALID_ARGUMENT", { why: `${options.field} ${why}` });
  };
  if (value === "" || value.length > lengthMax) refuse(`needs 1 to ${lengthMax} characters`);
  if (!/^[\x21-\x7e]+$/.test(value)) refuse("must be printable ASCII without spaces");
  if (options.rules === "local") return value;
  if (options.isPublished(value)) refuse("is a published demo secret");
  const lengthMin = options.lengthMin ?? lengthMinInProduction;
  if (value.length < lengthMin) refuse(`needs at least ${lengthMin} characters`);
  return value;
}
