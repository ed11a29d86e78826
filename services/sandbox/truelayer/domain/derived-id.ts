import { createHash } from "node:crypto";

/** An identifier in the look of TrueLayer's (32 hexadecimal digits) that stands for these words. */
export function derivedId(...words: readonly string[]): string {
  return createHash("sha256").update(words.join("\n")).digest("hex").slice(0, 32);
}
