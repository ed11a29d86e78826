import { randomBytes, randomInt } from "node:crypto";

// Card references and short ids need fewer bits than secrets; below 4 bytes collisions are a daily event.
const bytesMin = 4;
const bytesMax = 1024;
const digitsMax = 32;

/** A random token in base64url, 32 bytes (256 bits, 43 characters) unless told. Throws a RangeError outside 4..1024. */
export function randomToken(bytes = 32): string {
  return take(bytes).toString("base64url");
}

/** Random bytes as lower-case hex, two characters a byte. Throws a RangeError outside 4..1024 bytes. */
export function randomHex(bytes: number): string {
  return take(bytes).toString("hex");
}

/**
 * A code of `count` decimal digits, each equally likely (rejection sampling inside `randomInt`), leading zeros kept.
 * Throws a RangeError outside 1..32.
 */
export function randomDigits(count: number): string {
  if (!Number.isInteger(count) || count < 1 || count > digitsMax) {
    throw new RangeError(`a code has 1 to ${digitsMax} digits, not ${count}`);
  }
  return Array.from({ length: count }, () => randomInt(10)).join("");
}

function take(bytes: number): Buffer {
  if (!Number.isInteger(bytes) || bytes < bytesMin || bytes > bytesMax) {
    throw new RangeError(`a random token has ${bytesMin} to ${bytesMax} bytes, not ${bytes}`);
  }
  return randomBytes(bytes);
}
