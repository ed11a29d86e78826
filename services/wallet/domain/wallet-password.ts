import { DomainError } from "../../platform/errors/domain-error.ts";

const lengthMin = 8;
const lengthMax = 200;
/** As UTF-8 after NFKC: what a password hash takes. */
const bytesMax = 1024;

/** A password as a person may choose it: 8 to 200 characters. Throws `INVALID_ARGUMENT`. */
export function parseNewPassword(text: string): string {
  const length = [...text].length;
  // Some characters stand for a whole sentence once they are written out.
  const isTooMuch = Buffer.byteLength(text.normalize("NFKC")) > bytesMax;
  if (length < lengthMin || length > lengthMax || isTooMuch) {
    throw new DomainError("INVALID_ARGUMENT", { why: `A password has ${lengthMin} to ${lengthMax} characters` });
  }
  return text;
}
