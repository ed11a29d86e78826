import { createHash } from "node:crypto";

const idAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";

/** An identifier in the look of Plaid's (37 characters) that stands for these words. */
export function derivedId(...words: readonly string[]): string {
  const digest = createHash("sha512").update(words.join("\n")).digest();
  return Array.from(digest.subarray(0, 37), (byte) => idAlphabet[byte % idAlphabet.length]).join("");
}
