import { randomBytes, scryptSync } from "node:crypto";

/** A stored password as an installation keeps it, at the least cost that is read: tests sign people in hundreds of times. */
export function cheapPassword(text: string): string {
  const cost = { logN: 10, r: 8, p: 1 };
  const salt = randomBytes(16);
  const hash = scryptSync(text, salt, 32, { N: 2 ** cost.logN, r: cost.r, p: cost.p });
  return ["scrypt", cost.logN, cost.r, cost.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}
