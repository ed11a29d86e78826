import { derivedLetters } from "../../kit/domain/derived-id.ts";

/** An identifier in the look of Plaid's, 37 characters, that stands for these words. */
export function derivedId(...words: readonly string[]): string {
  return derivedLetters(37, ...words);
}
