import { DomainError } from "../../platform/errors/domain-error.ts";

const lengthMax = 254; // RFC 5321, section 4.5.3.1.3, less the angle brackets
// Deliberately loose: the only proof of an address is a mail that arrives. No spaces or controls, so no header can be forged.
const shape = /^[^\s@<>"(),:;\\[\]\p{Cc}]{1,64}@[^\s@<>"(),:;\\[\]\p{Cc}]+\.[^\s@<>"(),:;\\[\]\p{Cc}.]+$/u;
const localShape = /^[^\s@<>"(),:;\\[\]\p{Cc}]{1,64}@localhost$/u;

/** An address as typed and as compared: two spellings of one normal form are one person. */
export interface EmailAddress {
  readonly asTyped: string;
  readonly normalised: string;
}

/** Reads an e-mail address. Throws `INVALID_ARGUMENT` for anything that cannot be one. */
export function parseEmailAddress(text: string): EmailAddress {
  const asTyped = text.trim().normalize("NFC");
  if (asTyped.length > lengthMax || !(shape.test(asTyped) || localShape.test(asTyped))) {
    throw new DomainError("INVALID_ARGUMENT", { why: "A valid e-mail address is needed" });
  }
  return { asTyped, normalised: asTyped.toLowerCase() };
}
