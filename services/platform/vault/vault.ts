import { randomBytes, randomUUID } from "node:crypto";
import { textsEqual } from "../secrets/keyed-hash.ts";
import { gauge } from "../telemetry/metrics.ts";
import { associatedData, associatedText } from "./associated-data.ts";
import { createDataKeyCache } from "./data-key-cache.ts";
import type { Keyring, VaultLog } from "./keyring.ts";
import { createSealedBox, type OpenFailure, type SealedBox, SealedRecordError, valueOrFailure } from "./sealed-box.ts";
import type { CountedDataKey, StoredDataKey, VaultOwner, VaultStore } from "./vault-store.ts";

// NIST SP 800-38D allows 2^32 records a key with random nonces; a quarter of that leaves a margin for lost transactions.
const sealsPerDataKeyMax = 2n ** 30n;
const dataKeyBytes = 32;
// Each entry is some 700 bytes. A key leaves the process this long after it was unwrapped, its owner erased or not.
const cachedKeysMax = 10_000;
const cachedKeyLifeMs = 60_000;

const mostSealsGauge = gauge("vault_data_key_seals_most", "Records sealed under the data key that has sealed most");
let mostSeals = 0n;

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

/** A secret to seal. */
export interface SecretToSeal {
  readonly place: SecretPlace;
  /** Taken as UTF-8. */
  readonly plaintext: string;
}

/** A sealed secret and the place it was sealed for. */
export interface PlacedSecret {
  readonly place: SecretPlace;
  readonly sealed: SealedSecret;
}

/** One of the secrets put together by `gather`. */
export interface GatheredPart extends PlacedSecret {
  /** Its name in the result. */
  readonly name: string;
}

/** What `gather` puts together, and where it goes. */
export interface Gathering {
  readonly parts: readonly GatheredPart[];
  /** Put into the object as they are, by name. */
  readonly facts?: Readonly<Record<string, string | undefined>>;
  readonly to: SecretPlace;
}

/** Secrets moved under one seal, and those that did not open. */
export interface Gathered {
  readonly sealed: SealedSecret;
  readonly rejected: readonly { readonly name: string; readonly failure: OpenFailure }[];
}

/** The part of a vault that never gives a plaintext back. Pass a store bound to your transaction. */
export interface Sealer {
  /** Seals under the owner's current data key, making one when there is none or it is used up. */
  seal(store: VaultStore, place: SecretPlace, plaintext: string): Promise<SealedSecret>;
  /** Seals several secrets of one owner, counted by one statement. Throws a RangeError when their owners differ. */
  sealAll(store: VaultStore, secrets: readonly SecretToSeal[]): Promise<SealedSecret[]>;
  /** Whether a sealed secret is this text, compared in constant time. Throws `SealedRecordError` like `open`. */
  holds(store: VaultStore, secret: PlacedSecret, text: string): Promise<boolean>;
  /** Why a sealed secret does not open in its place; undefined when it does. */
  failureOf(store: VaultStore, secret: PlacedSecret): Promise<OpenFailure | undefined>;
  /** Seals a secret anew for another place, of another owner too. Throws `SealedRecordError` like `open`. */
  move(store: VaultStore, secret: PlacedSecret, to: SecretPlace): Promise<SealedSecret>;
  /** Opens secrets and seals them anew as one JSON object by name. Those that do not open are left out and named. */
  gather(store: VaultStore, gathering: Gathering): Promise<Gathered>;
}

/** Envelope encryption: a data key for each owner, wrapped by a master key. */
export interface Vault extends Sealer {
  /** Opens. Throws `SealedRecordError` when the record is not authentic, or of another place, version or key. */
  open(store: VaultStore, secret: PlacedSecret): Promise<string>;
}

/** Gives away a vault without its `open`. */
export function sealerOf(vault: Vault): Sealer {
  const { seal, sealAll, holds, failureOf, move, gather } = vault;
  return Object.freeze({ seal, sealAll, holds, failureOf, move, gather });
}

/** Options of `createVault`. */
export interface VaultOptions {
  readonly keyring: Keyring;
  readonly log: Pick<VaultLog, "warn">;
  /** Records a data key may seal before it is replaced; 2^30 unless told, never more. */
  readonly sealsPerDataKey?: bigint;
}

/** Makes the vault over the master keys of a keyring. Throws a RangeError for a number of seals out of bounds. */
export function createVault(options: VaultOptions): Vault {
  const { keyring, log } = options;
  const sealsMax = options.sealsPerDataKey ?? sealsPerDataKeyMax;
  if (sealsMax < 1n || sealsMax > sealsPerDataKeyMax) throw new RangeError("seals per data key must be 1 to 2^30");
  const warnAt = (sealsMax * 3n) / 4n;
  const cache = createDataKeyCache({ entriesMax: cachedKeysMax, lifeMs: cachedKeyLifeMs });
  /** The owner is the one the caller asks for, not the one in the row: a data key moved to another user does not unwrap. */
  const unwrapped = async (store: VaultStore, stored: StoredDataKey, owner: VaultOwner): Promise<SealedBox> => {
    await keyring.need(stored.masterKeyVersion, store);
    return cache.keep(owner, stored.dataKeyId, unwrap(keyring, stored, owner));
  };
  const open = async (store: VaultStore, { place, sealed }: PlacedSecret): Promise<string> => {
    // Asked each time: a destroyed key ends everything sealed under it at once, cached or not.
    const stored = await store.findDataKey(place.owner, sealed.dataKeyId);
    if (stored === undefined) throw new SealedRecordError("unknown_key");
    const box = cache.find(place.owner, stored.dataKeyId) ?? (await unwrapped(store, stored, place.owner));
    return box.open(sealed.ciphertext, placeData(place)).toString("utf8");
  };
  const sealAll = async (store: VaultStore, secrets: readonly SecretToSeal[]): Promise<SealedSecret[]> => {
    const owner = secrets[0]?.place.owner;
    if (owner === undefined) return [];
    if (secrets.some(({ place }) => place.owner.tenant !== owner.tenant || place.owner.userId !== owner.userId)) {
      throw new RangeError("secrets sealed together must have one owner");
    }
    const stored = await currentDataKey({ keyring, sealsMax, store }, { owner, seals: secrets.length });
    warnOfCount(log, stored, { seals: BigInt(secrets.length), warnAt });
    const box = cache.find(owner, stored.dataKeyId) ?? (await unwrapped(store, stored, owner));
    return secrets.map(({ place, plaintext }) => ({
      dataKeyId: stored.dataKeyId,
      ciphertext: box.seal(plaintext, placeData(place)),
    }));
  };
  const seal = async (store: VaultStore, place: SecretPlace, plaintext: string): Promise<SealedSecret> => {
    const [sealed] = await sealAll(store, [{ place, plaintext }]);
    if (sealed === undefined) throw new Error("one secret was sealed to none");
    return sealed;
  };
  return Object.freeze({
    seal,
    sealAll,
    holds: async (store: VaultStore, secret: PlacedSecret, text: string) => textsEqual(await open(store, secret), text),
    failureOf: async (store: VaultStore, secret: PlacedSecret) => {
      const opened = await valueOrFailure(open(store, secret));
      return "failure" in opened ? opened.failure : undefined;
    },
    move: async (store: VaultStore, secret: PlacedSecret, to: SecretPlace) =>
      await seal(store, to, await open(store, secret)),
    gather: async (store: VaultStore, { parts, facts, to }: Gathering) => {
      const { texts, rejected } = await openParts((part) => open(store, part), parts);
      return { sealed: await seal(store, to, JSON.stringify({ ...facts, ...texts })), rejected };
    },
    open,
  });
}

async function openParts(
  open: (part: GatheredPart) => Promise<string>,
  parts: readonly GatheredPart[],
): Promise<{ texts: Record<string, string>; rejected: { name: string; failure: OpenFailure }[] }> {
  const texts: Record<string, string> = {};
  const rejected: { name: string; failure: OpenFailure }[] = [];
  for (const part of parts) {
    const opened = await valueOrFailure(open(part));
    if ("failure" in opened) rejected.push({ name: part.name, failure: opened.failure });
    else texts[part.name] = opened.value;
  }
  return { texts, rejected };
}

/** Once a key: when it has sealed three quarters of what it may, it will soon be replaced, and something seals very often. */
function warnOfCount(
  log: Pick<VaultLog, "warn">,
  stored: CountedDataKey,
  counted: { readonly seals: bigint; readonly warnAt: bigint },
): void {
  if (stored.seals > mostSeals) {
    mostSeals = stored.seals;
    mostSealsGauge.record(Number(mostSeals));
  }
  const { warnAt } = counted;
  if (stored.seals < warnAt || stored.seals - counted.seals >= warnAt) return;
  log.warn({ keyId: stored.dataKeyId, total: stored.seals }, "a data key is near the number of records it may seal");
}

async function currentDataKey(
  parts: { readonly keyring: Keyring; readonly sealsMax: bigint; readonly store: VaultStore },
  wanted: { owner: VaultOwner; seals: number },
): Promise<CountedDataKey> {
  const { keyring, sealsMax, store } = parts;
  const { owner, seals } = wanted;
  const existing = await store.countSeals(owner, seals, sealsMax);
  if (existing !== undefined) return existing;
  const dataKeyId = randomUUID();
  const masterKeyVersion = await store.lockCurrentVersion();
  await keyring.need(masterKeyVersion, store);
  const key = randomBytes(dataKeyBytes);
  const wrapped = keyring.wrap(masterKeyVersion, key, dataKeyData({ dataKeyId, owner, masterKeyVersion }));
  key.fill(0);
  await store.addDataKey({ dataKeyId, owner, masterKeyVersion, wrapped }, sealsMax);
  const added = await store.countSeals(owner, seals, sealsMax);
  if (added === undefined) throw new Error("the store kept neither the new data key nor another");
  return added;
}

function unwrap(keyring: Keyring, stored: StoredDataKey, owner: VaultOwner): SealedBox {
  const { dataKeyId, masterKeyVersion } = stored;
  const data = dataKeyData({ dataKeyId, owner, masterKeyVersion });
  const key = keyring.unwrap(masterKeyVersion, stored.wrapped, data);
  const box = createSealedBox({ keys: new Map([[dataKeyId, key]]), currentKeyId: dataKeyId });
  key.fill(0);
  return box;
}

/** Wraps a stored data key by another master key version; what is sealed under the data key stays as it is. */
export function rewrapDataKey(keyring: Keyring, stored: StoredDataKey, masterKeyVersion: number): StoredDataKey {
  const { dataKeyId, owner } = stored;
  const key = keyring.unwrap(stored.masterKeyVersion, stored.wrapped, dataKeyData(stored));
  const wrapped = keyring.wrap(masterKeyVersion, key, dataKeyData({ dataKeyId, owner, masterKeyVersion }));
  key.fill(0);
  return { dataKeyId, owner, masterKeyVersion, wrapped };
}

function dataKeyData(key: { dataKeyId: string; owner: VaultOwner; masterKeyVersion: number }): Buffer {
  const { dataKeyId, owner, masterKeyVersion } = key;
  return associatedData({ dataKeyId, masterKeyVersion, tenant: owner.tenant, use: "data key", userId: owner.userId });
}

function placeData(place: SecretPlace): string | Buffer {
  const { owner, recordId, provider, purpose, recordVersion } = place;
  const { tenant, userId } = owner;
  return associatedText({ provider, purpose, recordId, recordVersion, tenant, use: "secret", userId });
}
