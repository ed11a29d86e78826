import { createPublicKey } from "node:crypto";

const keysMax = 10;

/** The RSA public keys of a text, in PEM, one after the other. Throws a RangeError when there is none, or one that is not RSA. */
export function readPublicKeys(text: string): readonly string[] {
  const pems = text.match(/-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----/g) ?? [];
  const isRsa = (pem: string) => createPublicKey(pem).asymmetricKeyType === "rsa";
  try {
    if (pems.length >= 1 && pems.length <= keysMax && pems.every(isRsa)) return pems;
  } catch {
    // Told below.
  }
  throw new RangeError(`holds no RSA public keys in PEM, 1 to ${keysMax}`);
}
