import { associatedData } from "./associated-data.ts";
import { deriveMasterKey } from "./master-key.ts";
import { MasterKeyError } from "./master-key-error.ts";
import type { MasterKeyEntry, MasterKeySource } from "./master-key-source.ts";
import { createSealedBox, keyIdOfRecord, type SealedBox, SealedRecordError } from "./sealed-box.ts";
import type { MasterKeyStore, StoredMasterKey } from "./vault-store.ts";

const canaryText = "paymesh vault canary";
const learnPauseMs = 1_000;

/** The part of a logger the vault needs. */
export interface VaultLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/** The master keys this process holds, each proved against its canary. */
export interface Keyring {
  /** Versions held, in no order. */
  versions(): readonly number[];
  has(version: number): boolean;
  /** Wraps a key. Throws `MasterKeyError` for a version that is not held. */
  wrap(version: number, key: Uint8Array, data: Uint8Array): Buffer;
  /** Unwraps. Throws `MasterKeyError` for a version that is not held, `SealedRecordError` for what is not authentic. */
  unwrap(version: number, wrapped: Uint8Array, data: Uint8Array): Buffer;
  /** Reads source and store again: takes in new versions, after proof, and lets retired ones go. Throws like `openKeyring`. */
  learn(store: MasterKeyStore): Promise<void>;
  /** Makes sure that a version is held, learning if it is not; throws `MasterKeyError` when it still is not. */
  need(version: number, store: MasterKeyStore): Promise<void>;
}

/** Options of `openKeyring`. */
export interface KeyringOptions {
  readonly store: MasterKeyStore;
  readonly source: MasterKeySource;
  /** Keeps apart what different services derive from secrets an operator made equal. */
  readonly use: string;
  readonly log: VaultLog;
}

/**
 * Proves every configured master key by opening its canary; a new version gets one. A wrong key is found here, before it seals
 * anything nobody could open later. The first start makes its newest version the current one. Throws `MasterKeyError` when a
 * key is not this installation's, or one that stored keys are wrapped by is missing; logs `Secure Credential Storage` ready.
 */
export async function openKeyring(options: KeyringOptions): Promise<Keyring> {
  const boxes = new Map<number, SealedBox>();
  const boxOf = (version: number): SealedBox => {
    const box = boxes.get(version);
    if (box === undefined) throw new MasterKeyError(`master key version ${version} is not known here`);
    return box;
  };
  const learn = (store: MasterKeyStore): Promise<void> => learnInto(boxes, { ...options, store });
  const missedAtMs = new Map<number, number>();
  await learn(options.store);
  await options.store.makeCurrentIfNone(Math.max(...boxes.keys()));
  const stored = await options.store.listMasterKeys();
  const masterKeyVersion = stored.find((one) => one.isCurrent)?.version;
  options.log.info({ masterKeyVersion }, "Secure Credential Storage ready");
  return Object.freeze({
    versions: () => [...boxes.keys()],
    has: (version: number) => boxes.has(version),
    wrap: (version: number, key: Uint8Array, data: Uint8Array) => boxOf(version).seal(key, data),
    unwrap: (version: number, wrapped: Uint8Array, data: Uint8Array) => boxOf(version).open(wrapped, data),
    learn,
    need: async (version: number, store: MasterKeyStore) => {
      if (boxes.has(version)) return;
      // Not at every call: a version that nobody has given here would have the source read for each secret.
      const missedMs = performance.now() - (missedAtMs.get(version) ?? Number.NEGATIVE_INFINITY);
      if (missedMs > learnPauseMs) await learn(store);
      if (!boxes.has(version)) missedAtMs.set(version, performance.now());
      boxOf(version);
    },
  });
}

async function learnInto(boxes: Map<number, SealedBox>, options: KeyringOptions): Promise<void> {
  const { store, source, use } = options;
  const configured = await source.read();
  const stored = new Map((await store.listMasterKeys()).map((one) => [one.version, one]));
  for (const [version, box] of boxes) {
    if (stored.get(version)?.isRetired !== true) continue;
    boxes.delete(version);
    box.wipe();
  }
  const inUse = await store.listMasterKeyVersionsInUse();
  const missing = inUse.filter((version) => !configured.has(version) && !boxes.has(version));
  if (missing.length > 0) throw new MasterKeyError(`stored secrets need master key version ${missing.join(", ")}`);
  for (const [version, entry] of configured) {
    const known = stored.get(version);
    if (boxes.has(version) || known?.isRetired === true) continue;
    if (known === undefined && inUse.includes(version)) {
      // Making a canary here would let any key prove itself: the canary of a version in use is never missing by itself.
      throw new MasterKeyError(`the canary of master key version ${version} is missing`);
    }
    boxes.set(version, await proved({ store, use, version, entry, known }));
  }
  if (boxes.size === 0) throw new MasterKeyError("no master key is configured that was not retired");
}

interface Proof {
  readonly store: MasterKeyStore;
  readonly use: string;
  readonly version: number;
  readonly entry: MasterKeyEntry;
  readonly known: StoredMasterKey | undefined;
}

async function proved(proof: Proof): Promise<SealedBox> {
  const { store, version } = proof;
  if (proof.known === undefined) {
    const { box, wrapped } = await makeKey(proof);
    const canary = box.seal(canaryText, canaryData(version));
    // Two replicas may start first together, even with different keys: whoever lost proves his key against the winner's.
    if (await store.addMasterKey({ version, canary, wrapped })) return box;
    box.wipe();
  }
  const known = proof.known ?? (await store.listMasterKeys()).find((one) => one.version === version);
  if (known === undefined) throw new MasterKeyError("the canary was not stored");
  const box = await loadKey(proof, known);
  if (opens(box, version, known.canary)) return box;
  throw new MasterKeyError(`master key version ${version} is not the one this installation was set up with`);
}

async function makeKey({ entry, use, version }: Proof): Promise<{ box: SealedBox; wrapped: Buffer | undefined }> {
  if (entry.kind === "secret")
    return { box: boxUnder(version, deriveMasterKey(entry.secret, use)), wrapped: undefined };
  const { key, wrapped } = await entry.wrapper.generate(contextOf(use, version));
  return { box: boxUnder(version, key), wrapped };
}

async function loadKey({ entry, use, version }: Proof, known: StoredMasterKey): Promise<SealedBox> {
  if (entry.kind === "secret" && known.wrapped === undefined) {
    return boxUnder(version, deriveMasterKey(entry.secret, use));
  }
  if (entry.kind === "kept" && known.wrapped !== undefined) {
    return boxUnder(version, await entry.wrapper.unwrap(known.wrapped, contextOf(use, version)));
  }
  throw new MasterKeyError(
    `master key version ${version} was set up ${entry.kind === "kept" ? "as a secret" : "in a KMS"}`,
  );
}

function boxUnder(version: number, key: Buffer): SealedBox {
  const keyId = `master-${version}`;
  const box = createSealedBox({ keys: new Map([[keyId, key]]), currentKeyId: keyId });
  key.fill(0);
  return box;
}

function contextOf(use: string, version: number): Record<string, string> {
  return { "paymesh-use": use, "paymesh-master-key-version": String(version) };
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
