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

/** A known text sealed under a master key, by which the key is proved at start. */
export interface StoredCanary {
  readonly masterKeyVersion: number;
  readonly sealed: Uint8Array;
}

/**
 * What the vault keeps. The caller passes a store bound to his transaction, so that the counter and a new data key are
 * committed with the record they belong to, or not at all.
 */
export interface VaultStore {
  /**
   * Adds `seals` to the seal counter of the owner's current data key, if the counter is below `sealsMax`, and returns the
   * key. Undefined when the owner has no key, or his key is used up. One conditional update.
   */
  countSeals(owner: VaultOwner, seals: number, sealsMax: bigint): Promise<StoredDataKey | undefined>;
  /**
   * Makes `key` the owner's current data key with a counter of zero, retiring one whose counter reached `sealsMax`. Does
   * nothing when another caller was first; `countSeals` then finds his key.
   */
  addDataKey(key: StoredDataKey, sealsMax: bigint): Promise<void>;
  /** A data key of this owner, current or retired. */
  findDataKey(owner: VaultOwner, dataKeyId: string): Promise<StoredDataKey | undefined>;
  /** Every canary; at most one a version. */
  listCanaries(): Promise<readonly StoredCanary[]>;
  /** Stores a canary unless the version has one; true when stored. */
  addCanary(canary: StoredCanary): Promise<boolean>;
  /** The master key versions that stored data keys are wrapped by. */
  listMasterKeyVersionsInUse(): Promise<readonly number[]>;
}
