import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { LocalSecrets } from "./local-secrets.ts";

const commandNames = ["PAYMESH_ENV", "DATABASE_URL", "DATABASE_SCHEMA", "CREDENTIAL_ENCRYPTION_KEYS_FILE"] as const;

/** Where the master keys of the local Credential service lie. */
export function masterKeyFile(directory: string): string {
  return path.join(directory, "credential-master-keys");
}

/** Makes the file of master keys with its first version, unless it is there. */
export function ensureMasterKeyFile(directory: string, secrets: LocalSecrets): void {
  const file = masterKeyFile(directory);
  if (!existsSync(file)) writeWhole(file, `1:${secrets.of("credential.encryption-key")}\n`);
}

/** Writes down what `npm run keys` and `npm run audit` need to reach this world's Credential service. */
export function writeOperatorEnvironment(directory: string, credential: Readonly<Record<string, string>>): void {
  const environment = Object.fromEntries(commandNames.map((name) => [name, credential[name]]));
  writeWhole(environmentFile(directory), `${JSON.stringify(environment, null, 2)}\n`);
}

/** What `writeOperatorEnvironment` wrote; undefined where no mesh was ever started. */
export function readOperatorEnvironment(directory: string): Record<string, string> | undefined {
  const file = environmentFile(directory);
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, "utf8")) as Record<string, string>; // written here alone
}

/** The files this module writes, by their names in the directory. */
export const operatorFiles: readonly string[] = ["credential-master-keys", "operator-environment.json"];

function environmentFile(directory: string): string {
  return path.join(directory, "operator-environment.json");
}

function writeWhole(file: string, text: string): void {
  const partial = `${file}.partial`;
  writeFileSync(partial, text, { mode: 0o600 });
  renameSync(partial, file);
}
