import { createPublicKey, generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A key pair of a local world: the private half in a file only its owner may read, the public one in PEM. */
export interface LocalKey {
  readonly file: string;
  readonly publicKey: string;
}

/** RSA of 2048 bits, or ECDSA on P-256. */
export type LocalKeyKind = "rsa" | "p256";

/** The key pair kept in this file, which is made when it is not there yet. */
export function openLocalKey(file: string, kind: LocalKeyKind): LocalKey {
  if (!existsSync(file)) {
    const { privateKey } = makePair(kind);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const partial = `${file}.partial`;
    writeFileSync(partial, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
    renameSync(partial, file);
  }
  const publicKey = createPublicKey(readFileSync(file, "utf8")).export({ format: "pem", type: "spki" }).toString();
  return { file, publicKey };
}

function makePair(kind: LocalKeyKind): KeyPairKeyObjectResult {
  return kind === "rsa"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "prime256v1" });
}
