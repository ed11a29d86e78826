import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const iterations = 4096;
const saltBytes = 16;

/**
 * What PostgreSQL stores for a password (RFC 5803, SCRAM-SHA-256). Sent in place of the password, so that the password
 * never stands in a statement that the server may log. Printable ASCII only: SASLprep is not applied.
 */
export async function scramVerifier(password: string): Promise<string> {
  if (!/^[\x21-\x7e]{1,200}$/.test(password)) throw new RangeError("a role's password must be printable ASCII");
  const salt = randomBytes(saltBytes);
  const salted = await promisify(pbkdf2)(password, salt, iterations, 32, "sha256");
  const storedKey = createHash("sha256").update(hmac(salted, "Client Key")).digest("base64");
  const serverKey = hmac(salted, "Server Key").toString("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
