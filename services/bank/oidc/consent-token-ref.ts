import { keyedHash } from "../../platform/secrets/keyed-hash.ts";

/** How a consent's card token is kept: the hex of its keyed hash. */
export function consentTokenRef(pepper: Uint8Array, token: string): string {
  return keyedHash(pepper, token).toString("hex");
}
