import { randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { KeyWrapper, MasterKeyEntry, MasterKeySource } from "./master-key-source.ts";
import { MasterKeyListError, parseMasterKeys } from "./parse-master-keys.ts";

/** Where an operator has put the master keys; at least one of them. */
export interface MasterKeySettings {
  /** The secret of version 1, the simple way. */
  readonly secret?: string | undefined;
  /** A list as `parseMasterKeys` reads it. */
  readonly list?: string | undefined;
  /** A file with such a list, read again while the service runs. */
  readonly file?: string | undefined;
  readonly wrapperOf: (keyName: string) => KeyWrapper;
}

/**
 * The master keys of the settings, together. A version in two places must be the same in both. `read` and `add` throw
 * `MasterKeyListError` for what cannot be read, and the system's error for a file that is not there.
 */
export function configuredMasterKeys(settings: MasterKeySettings): MasterKeySource {
  const { secret, list, file, wrapperOf } = settings;
  const fixed = [secret === undefined ? "" : `1:${secret}`, list ?? ""].map((text) => parseMasterKeys(text, wrapperOf));
  const read = async (): Promise<ReadonlyMap<number, MasterKeyEntry>> => {
    const fromFile = file === undefined ? [] : [parseMasterKeys(await readFile(file, "utf8"), wrapperOf)];
    return merged([...fixed, ...fromFile]);
  };
  if (file === undefined) return { read };
  return { read, add: (version) => appendSecret(file, version) };
}

function merged(lists: readonly ReadonlyMap<number, MasterKeyEntry>[]): ReadonlyMap<number, MasterKeyEntry> {
  const all = new Map<number, MasterKeyEntry>();
  for (const [version, entry] of lists.flatMap((list) => [...list])) {
    const known = all.get(version);
    const isSame = known?.kind === "secret" && entry.kind === "secret" && known.secret === entry.secret;
    if (known !== undefined && !isSame) {
      throw new MasterKeyListError(`master key version ${version} is given in two places, differently`);
    }
    all.set(version, entry);
  }
  return all;
}

/** Whole or not at all, and on the disk when it resolves: a key that seals must never be half written, nor lost. */
async function appendSecret(file: string, version: number): Promise<void> {
  const before = await readFile(file, "utf8");
  const line = `${version}:${randomBytes(32).toString("hex")}\n`;
  const partial = `${file}.partial`;
  const handle = await open(partial, "w", 0o600);
  try {
    await handle.writeFile(before === "" || before.endsWith("\n") ? before + line : `${before}\n${line}`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  const directory = await open(dirname(file), "r");
  await directory.sync().finally(() => directory.close());
}
