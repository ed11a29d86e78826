import { encryptionKeyRequired } from "./master-key.ts";
import type { KeyWrapper, MasterKeyEntry } from "./master-key-source.ts";

const secretLengthMin = 32;
const versionMax = 1_000_000;
const entriesMax = 100;
const keptPrefix = "aws-kms:";

/** Thrown for a list of master keys that cannot be read. Repeats no part of it but version numbers. */
export class MasterKeyListError extends Error {
  override readonly name = "MasterKeyListError";
}

/**
 * Reads master keys of the form `version:secret` or `version:aws-kms:<key id or ARN>`, separated by line ends or, on one
 * line, by commas (so a secret holds neither); blank lines and lines that begin with `#` are skipped. A secret has at least 32
 * characters. Throws `MasterKeyListError`.
 */
export function parseMasterKeys(text: string, wrapperOf: (keyName: string) => KeyWrapper): Map<number, MasterKeyEntry> {
  const entries = new Map<number, MasterKeyEntry>();
  for (const line of text.split(/[\n,]/)) {
    const entry = line.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const match = /^(\d{1,7}):(.+)$/.exec(entry);
    const version = Number(match?.[1] ?? 0);
    if (match === null || version < 1 || version > versionMax) {
      throw new MasterKeyListError("a master key needs the form version:secret, with a version of 1 or more");
    }
    if (entries.has(version)) throw new MasterKeyListError(`master key version ${version} is given twice`);
    entries.set(version, entryOf(version, match[2] ?? "", wrapperOf));
    if (entries.size > entriesMax) throw new MasterKeyListError(`more than ${entriesMax} master keys`);
  }
  return entries;
}

function entryOf(version: number, value: string, wrapperOf: (keyName: string) => KeyWrapper): MasterKeyEntry {
  if (value.startsWith(keptPrefix)) return { kind: "kept", wrapper: wrapperOf(value.slice(keptPrefix.length)) };
  if (value.length < secretLengthMin) {
    throw new MasterKeyListError(
      `${encryptionKeyRequired}: master key version ${version} has under ${secretLengthMin} characters`,
    );
  }
  return { kind: "secret", secret: value };
}
