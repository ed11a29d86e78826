import { associatedData } from "./associated-data.ts";
import { keyIdOfRecord, type SealedBox, SealedRecordError } from "./sealed-box.ts";
import type { VaultStore } from "./vault-store.ts";

const canaryText = "paymesh vault canary";

/** The part of a logger the vault needs. */
export interface ReadyLog {
  info(facts: object, message: string): void;
}

/** Thrown at start when a master key is not the one this installation's secrets are sealed with. Names no key. */
export class MasterKeyError extends Error {
  override readonly name = "MasterKeyError";
}

/**
 * Proves every master key by opening its canary and, on the first start with a new key version, stores one. A wrong key is
 * found here, before it seals anything nobody could open later. Throws `MasterKeyError`.
 */
export async function proveMasterKeys(work: {
  readonly store: VaultStore;
  readonly box: SealedBox;
  readonly versions: readonly number[];
  readonly currentVersion: number;
  readonly log: ReadyLog;
}): Promise<void> {
  const { store, box, versions, currentVersion } = work;
  const inUse = await store.listMasterKeyVersionsInUse();
  const missing = inUse.filter((version) => !versions.includes(version));
  if (missing.length > 0) throw new MasterKeyError(`stored secrets need master key version ${missing.join(", ")}`);
  const proved = await proveStored(work);
  for (const version of inUse.filter((used) => !proved.has(used))) {
    // Making a canary here would let any key prove itself: the canary of a version in use is never missing by itself.
    throw new MasterKeyError(`the canary of master key version ${version} is missing`);
  }
  if (!proved.has(currentVersion)) {
    const sealed = box.seal(canaryText, canaryData(currentVersion));
    // Two replicas may start first together, even with different keys: whoever lost proves his key against the winner's.
    const added = await store.addCanary({ masterKeyVersion: currentVersion, sealed });
    if (!added && !(await proveStored(work)).has(currentVersion)) throw new MasterKeyError("the canary was not stored");
  }
  work.log.info({ masterKeyVersion: currentVersion }, "Secure Credential Storage ready");
}

async function proveStored(work: {
  store: VaultStore;
  box: SealedBox;
  versions: readonly number[];
}): Promise<Set<number>> {
  const proved = new Set<number>();
  for (const canary of await work.store.listCanaries()) {
    const { masterKeyVersion, sealed } = canary;
    if (!work.versions.includes(masterKeyVersion)) continue;
    if (!opens(work.box, masterKeyVersion, sealed)) {
      throw new MasterKeyError(
        `master key version ${masterKeyVersion} is not the one this installation was set up with`,
      );
    }
    proved.add(masterKeyVersion);
  }
  return proved;
}

function opens(box: SealedBox, version: number, sealed: Uint8Array): boolean {
  try {
    const text = box.open(sealed, canaryData(version)).toString("utf8");
    return text === canaryText && keyIdOfRecord(sealed) === `master-${version}`;
  } catch (error) {
    if (error instanceof SealedRecordError) return false;
    throw error;
  }
}

function canaryData(masterKeyVersion: number): Buffer {
  return associatedData({ use: "canary", masterKeyVersion });
}
