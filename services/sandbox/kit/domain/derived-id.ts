import { createHash } from "node:crypto";

const plainLetters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";

/** Up to 64 hexadecimal digits that stand for these words: the same words, the same id, on every machine. */
export function derivedHex(digits: number, ...words: readonly string[]): string {
  return digestOf("sha256", words).toString("hex").slice(0, digits);
}

/** The same as up to 64 letters and digits, none that look alike. */
export function derivedLetters(length: number, ...words: readonly string[]): string {
  const bytes = digestOf("sha512", words).subarray(0, length);
  return Array.from(bytes, (byte) => plainLetters[byte % plainLetters.length]).join("");
}

function digestOf(algorithm: string, words: readonly string[]): Buffer {
  return createHash(algorithm).update(words.join("\n")).digest();
}
