import type { MasterKeyEntry, MasterKeySource } from "../vault/master-key-source.ts";
import type {
  CountedDataKey,
  StoredDataKey,
  StoredInstallationKey,
  StoredMasterKey,
  VaultOwner,
  VaultStore,
} from "../vault/vault-store.ts";

/** Keeps rows in maps; the store of the product, and what several callers do to it at once, is tested in its service. */
export class MemoryVaultStore implements VaultStore {
  readonly dataKeys = new Map<string, StoredDataKey>();
  readonly masterKeys = new Map<number, StoredMasterKey>();
  readonly installationKeys = new Map<string, StoredInstallationKey>();
  readonly #current = new Map<string, { dataKeyId: string; seals: bigint }>();

  async countSeals(wanted: VaultOwner, seals: number, sealsMax: bigint): Promise<CountedDataKey | undefined> {
    const current = this.#current.get(nameOf(wanted));
    if (current === undefined || current.seals >= sealsMax) return undefined;
    current.seals += BigInt(seals);
    const key = this.dataKeys.get(current.dataKeyId);
    return key && { ...key, seals: current.seals };
  }

  sealsOf(wanted: VaultOwner): bigint | undefined {
    return this.#current.get(nameOf(wanted))?.seals;
  }

  async addDataKey(key: StoredDataKey, sealsMax: bigint): Promise<void> {
    const current = this.#current.get(nameOf(key.owner));
    if (current !== undefined && current.seals < sealsMax) return;
    this.dataKeys.set(key.dataKeyId, key);
    this.#current.set(nameOf(key.owner), { dataKeyId: key.dataKeyId, seals: 0n });
  }

  async findDataKey(_owner: VaultOwner, dataKeyId: string): Promise<StoredDataKey | undefined> {
    return this.dataKeys.get(dataKeyId);
  }

  async listMasterKeys(): Promise<readonly StoredMasterKey[]> {
    return [...this.masterKeys.values()];
  }

  async addMasterKey(key: Omit<StoredMasterKey, "isCurrent" | "isRetired">): Promise<boolean> {
    if (this.masterKeys.has(key.version)) return false;
    this.masterKeys.set(key.version, { ...key, isCurrent: false, isRetired: false });
    return true;
  }

  async makeCurrentIfNone(version: number): Promise<void> {
    if (![...this.masterKeys.values()].some((key) => key.isCurrent)) this.makeCurrent(version);
  }

  makeCurrent(version: number): void {
    for (const key of this.masterKeys.values()) {
      this.masterKeys.set(key.version, { ...key, isCurrent: key.version === version });
    }
  }

  retire(version: number): void {
    const key = this.masterKeys.get(version);
    if (key !== undefined) this.masterKeys.set(version, { ...key, isRetired: true });
  }

  async lockCurrentVersion(): Promise<number> {
    const current = [...this.masterKeys.values()].find((key) => key.isCurrent);
    if (current === undefined) throw new Error("no master key is current");
    return current.version;
  }

  async listMasterKeyVersionsInUse(): Promise<readonly number[]> {
    const keys = [...this.dataKeys.values(), ...this.installationKeys.values()];
    return [...new Set(keys.map((key) => key.masterKeyVersion))];
  }

  async findInstallationKey(name: string): Promise<StoredInstallationKey | undefined> {
    return this.installationKeys.get(name);
  }

  async addInstallationKey(key: StoredInstallationKey): Promise<boolean> {
    if (this.installationKeys.has(key.name)) return false;
    this.installationKeys.set(key.name, key);
    return true;
  }
}

function nameOf(owner: VaultOwner): string {
  return JSON.stringify([owner.tenant, owner.userId]);
}

/** A source of these secrets by version; more may be added while it is in use. */
export function secretsByVersion(secrets: Readonly<Record<number, string>>): MasterKeySource & {
  readonly secrets: Map<number, string>;
} {
  const known = new Map(Object.entries(secrets).map(([version, secret]) => [Number(version), secret]));
  const entryOf = (secret: string): MasterKeyEntry => ({ kind: "secret", secret });
  return {
    secrets: known,
    read: async () => new Map([...known].map(([version, secret]) => [version, entryOf(secret)])),
  };
}
