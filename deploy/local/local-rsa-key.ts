import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A key pair of a local world: the private half in a file only its owner may read, the public one in PEM. */
export interface LocalRsaKey {
  readonly file: string;
  readonly publicKey: string;
}

/** The RSA key pair kept in this file, which is made when it is not there yet. */
export function openLocalRsaKey(file: string): LocalRsaKey {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const partial = `${file}.partial`;
    writeFileSync(partial, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
    renameSync(partial, file);
  }
  const publicKey = createPublicKey(readFileSync(file, "utf8")).export({ format: "pem", type: "spki" }).toString();
  return { file, publicKey };
}
