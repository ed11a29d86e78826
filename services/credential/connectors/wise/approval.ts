import { createPrivateKey, sign } from "node:crypto";

const modulusBitsMin = 2048;

/** How one-time tokens of strong authentications are signed. */
export interface Approval {
  /** The header the signature goes into, in lower case. */
  readonly header: string;
  /** Base64 of RSA-SHA256 (PKCS#1 v1.5) over the token. */
  sign(oneTimeToken: string): string;
}

/** Reads the key, an RSA private key of 2048 bits or more in PEM. Throws a RangeError, whose text holds nothing of it, for anything else. */
export function createApproval(pem: string, header: string): Approval {
  const key = readKey(pem);
  return { header, sign: (oneTimeToken) => sign("sha256", Buffer.from(oneTimeToken), key).toString("base64") };
}

function readKey(pem: string) {
  try {
    const key = createPrivateKey(pem);
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    if (key.asymmetricKeyType === "rsa" && bits >= modulusBitsMin) return key;
  } catch {
    // The library's words may quote the file.
  }
  throw new RangeError("is no RSA private key of 2048 bits or more in PEM");
}
