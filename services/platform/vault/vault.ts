import { randomBytes, randomUUID } from "node:crypto";
import { associatedData } from "./associated-data.ts";
import { proveMasterKeys, type ReadyLog } from "./canary.ts";
import { createSealedBox, type SealedBox, SealedRecordError } from "./sealed-box.ts";
import type { StoredDataKey, VaultOwner, VaultStore } from "./vault-store.ts";

// NIST SP 800-38D allows 2^32 records a key with random nonces; a quarter of that leaves a margin for lost transactions.
const sealsPerDataKeyMax = 2n ** 30n;
const dataKeyBytes = 32;

/** Where a secret belongs. All of it is authenticated with the ciphertext: a record opens in its own place only. */
export interface SecretPlace {
  readonly owner: VaultOwner;
  /** The row's id, such as the connection's. */
  readonly recordId: string;
  /** The bank or data provider. */
  readonly provider: string;
  /** Which of the row's secrets, such as `access_token`. */
  readonly purpose: string;
  /** Grows with every write of this secret, so that an older ciphertext put back alone fails to open. */
  readonly recordVersion: number;
}

/** A sealed secret as the caller stores it. */
export interface SealedSecret {
  /** Also inside the ciphertext; apart so that rows of a key can be found. */
  readonly dataKeyId: string;
  readonly ciphertext: Uint8Array;
}

/** Envelope encryption: a data key for each owner, wrapped by a master key. Pass a store bound to your transaction. */
export interface Vault {
  /** Seals under the owner's current data key, making one when there is none or it is used up. Text is taken as UTF-8. */
  seal(store: VaultStore, place: SecretPlace, plaintext: string): Promise<SealedSecret>;
  /** Opens. Throws `SealedRecordError` when the record is not authentic, or of another place, version or key. */
  open(store: VaultStore, place: SecretPlace, sealed: SealedSecret): Promise<string>;
}

/** Options of `openVault`. */
export interface VaultOptions {
  /** Used for the canary at start only. */
  readonly store: VaultStore;
  /** By version, 32 bytes each; from `deriveMasterKey`. Keep older versions until no data key is wrapped by them. */
  readonly masterKeys: ReadonlyMap<number, Uint8Array>;
  /** New data keys are wrapped by this one. */
  readonly masterKeyVersion: number;
  readonly log: ReadyLog;
  /** Records a data key may seal before it is replaced; 2^30 unless told, never more. */
  readonly sealsPerDataKey?: bigint;
}

/**
 * Proves the master keys against the stored canary, then gives the vault and logs `Secure Credential Storage` ready.
 * Throws `MasterKeyError` when a key is not this installation's or one in use is missing.
 */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const masterBox = createSealedBox({
    keys: new Map([...options.masterKeys].map(([version, key]) => [masterKeyId(version), key])),
    currentKeyId: masterKeyId(options.masterKeyVersion),
  });
  await proveMasterKeys({
    store: options.store,
    box: masterBox,
    versions: [...options.masterKeys.keys()],
    currentVersion: options.masterKeyVersion,
    log: options.log,
  });
  const sealsMax = options.sealsPerDataKey ?? sealsPerDataKeyMax;
  if (sealsMax < 1n || sealsMax > sealsPerDataKeyMax) throw new RangeError("seals per data key must be 1 to 2^30");
  const { masterKeyVersion } = options;
  return Object.freeze({
    seal: async (store: VaultStore, place: SecretPlace, plaintext: string) => {
      const stored = await currentDataKey({ store, owner: place.owner, masterBox, masterKeyVersion, sealsMax });
      const box = unwrap(masterBox, stored, place.owner);
      return { dataKeyId: stored.dataKeyId, ciphertext: box.seal(plaintext, placeData(place)) };
    },
    open: async (store: VaultStore, place: SecretPlace, sealed: SealedSecret) => {
      const stored = await store.findDataKey(place.owner, sealed.dataKeyId);
      if (stored === undefined) throw new SealedRecordError("unknown_key");
      return unwrap(masterBox, stored, place.owner).open(sealed.ciphertext, placeData(place)).toString("utf8");
    },
  });
}

async function currentDataKey(work: {
  store: VaultStore;
  owner: VaultOwner;
  masterBox: SealedBox;
  masterKeyVersion: number;
  sealsMax: bigint;
}): Promise<StoredDataKey> {
  const { store, owner, masterBox, masterKeyVersion, sealsMax } = work;
  const existing = await store.countSeal(owner, sealsMax);
  if (existing !== undefined) return existing;
  const dataKeyId = randomUUID();
  const key = randomBytes(dataKeyBytes);
  const wrapped = masterBox.seal(key, dataKeyData({ dataKeyId, owner, masterKeyVersion }));
  key.fill(0);
  await store.addDataKey({ dataKeyId, owner, masterKeyVersion, wrapped }, sealsMax);
  const added = await store.countSeal(owner, sealsMax);
  if (added === undefined) throw new Error("the store kept neither the new data key nor another");
  return added;
}

// The owner is the one the caller asks for, not the one in the row: a data key moved to another user does not unwrap.
function unwrap(masterBox: SealedBox, stored: StoredDataKey, owner: VaultOwner): SealedBox {
  const { dataKeyId, masterKeyVersion } = stored;
  const key = masterBox.open(stored.wrapped, dataKeyData({ dataKeyId, owner, masterKeyVersion }));
  const box = createSealedBox({ keys: new Map([[dataKeyId, key]]), currentKeyId: dataKeyId });
  key.fill(0);
  return box;
}

function masterKeyId(version: number): string {
  return `master-${version}`;
}

function dataKeyData(key: { dataKeyId: string; owner: VaultOwner; masterKeyVersion: number }): Buffer {
  const { dataKeyId, owner, masterKeyVersion } = key;
  return associatedData({ use: "data key", dataKeyId, tenant: owner.tenant, userId: owner.userId, masterKeyVersion });
}

function placeData(place: SecretPlace): Buffer {
  const { owner, recordId, provider, purpose, recordVersion } = place;
  const { tenant, userId } = owner;
  return associatedData({ use: "secret", tenant, userId, recordId, provider, purpose, recordVersion });
}
