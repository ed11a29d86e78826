/** Whose secrets a data key protects. Erasing a user's data keys makes all his secrets unreadable at once. */
export interface VaultOwner {
  /** `wallet`, a firm's id, or `operator` for secrets of the installation itself. */
  readonly tenant: string;
  readonly userId: string;
}

/** A data key as stored: wrapped by a master key, with the count of records sealed under it. */
export interface StoredDataKey {
  readonly dataKeyId: string;
  readonly owner: VaultOwner;
  /** The master key it is wrapped by. */
  readonly masterKeyVersion: number;
  /** A sealed-box record of the 32 key bytes. */
  readonly wrapped: Uint8Array;
}

/** A data key with the number of records sealed under it, the ones just counted included. */
export interface CountedDataKey extends StoredDataKey {
  readonly seals: bigint;
}

/** A version of the master key as stored; the key itself only where a service outside keeps another over it. */
export interface StoredMasterKey {
  readonly version: number;
  /** A known text sealed under it, by which a configured key is proved. */
  readonly canary: Uint8Array;
  /** Wrapped by a `KeyWrapper`; undefined for a version that is derived from a configured secret. */
  readonly wrapped: Uint8Array | undefined;
  /** New data keys are wrapped by it; one version at most. */
  readonly isCurrent: boolean;
  /** Given up: nothing is wrapped by it, and nothing it wraps is opened any more. */
  readonly isRetired: boolean;
}

/** A key of the installation as stored. */
export interface StoredInstallationKey {
  readonly name: string;
  readonly masterKeyVersion: number;
  readonly wrapped: Uint8Array;
}

/** What is known of master keys. */
export interface MasterKeyStore {
  /** Every version that was ever used here. */
  listMasterKeys(): Promise<readonly StoredMasterKey[]>;
  /** Stores a version unless there is one; true when stored. */
  addMasterKey(key: Omit<StoredMasterKey, "isCurrent" | "isRetired">): Promise<boolean>;
  /** Makes a version current when none is. */
  makeCurrentIfNone(version: number): Promise<void>;
  /** The versions that stored keys are wrapped by. */
  listMasterKeyVersionsInUse(): Promise<readonly number[]>;
}

/**
 * What the vault keeps. The caller passes a store bound to his transaction, so that the counter and a new data key are
 * committed with the record they belong to, or not at all.
 */
export interface VaultStore extends MasterKeyStore {
  /**
   * Adds `seals` to the seal counter of the owner's current data key, if the counter is below `sealsMax`, and returns the
   * key. Undefined when the owner has no key, or his key is used up. One conditional update.
   */
  countSeals(owner: VaultOwner, seals: number, sealsMax: bigint): Promise<CountedDataKey | undefined>;
  /**
   * Makes `key` the owner's current data key with a counter of zero, retiring one whose counter reached `sealsMax`. Does
   * nothing when another caller was first; `countSeals` then finds his key.
   */
  addDataKey(key: StoredDataKey, sealsMax: bigint): Promise<void>;
  /** A data key of this owner, current or retired. */
  findDataKey(owner: VaultOwner, dataKeyId: string): Promise<StoredDataKey | undefined>;
  /** The current master key version, which stays current for the rest of the transaction. */
  lockCurrentVersion(): Promise<number>;
  findInstallationKey(name: string): Promise<StoredInstallationKey | undefined>;
  /** Stores a key unless there is one of this name; true when stored. */
  addInstallationKey(key: StoredInstallationKey): Promise<boolean>;
}
