import { randomBytes } from "node:crypto";
import { associatedData } from "./associated-data.ts";
import type { Keyring } from "./keyring.ts";
import type { VaultStore } from "./vault-store.ts";

const keyBytes = 32;

/**
 * A key of the installation itself, such as the one of the audit chains: made once, stored wrapped by a master key, and the same
 * for ever, whatever happens to master keys. `first` gives the key when none is stored yet; random bytes otherwise.
 */
export async function installationKey(parts: {
  readonly store: VaultStore;
  readonly keyring: Keyring;
  readonly name: string;
  readonly first: () => Promise<Buffer | undefined>;
}): Promise<Buffer> {
  const { store, keyring, name } = parts;
  const found = await store.findInstallationKey(name);
  if (found !== undefined) {
    await keyring.need(found.masterKeyVersion, store);
    return keyring.unwrap(found.masterKeyVersion, found.wrapped, keyData(name, found.masterKeyVersion));
  }
  const key = (await parts.first()) ?? randomBytes(keyBytes);
  const masterKeyVersion = await store.lockCurrentVersion();
  await keyring.need(masterKeyVersion, store);
  const wrapped = keyring.wrap(masterKeyVersion, key, keyData(name, masterKeyVersion));
  if (await store.addInstallationKey({ name, masterKeyVersion, wrapped })) return key;
  // Another replica was first: his is the key.
  return await installationKey(parts);
}

/** Wraps a stored installation key anew. */
export function rewrapInstallationKey(
  keyring: Keyring,
  stored: { readonly name: string; readonly masterKeyVersion: number; readonly wrapped: Uint8Array },
  masterKeyVersion: number,
): Buffer {
  const { name } = stored;
  const key = keyring.unwrap(stored.masterKeyVersion, stored.wrapped, keyData(name, stored.masterKeyVersion));
  const wrapped = keyring.wrap(masterKeyVersion, key, keyData(name, masterKeyVersion));
  key.fill(0);
  return wrapped;
}

function keyData(name: string, masterKeyVersion: number): Buffer {
  return associatedData({ use: "installation key", name, masterKeyVersion });
}
