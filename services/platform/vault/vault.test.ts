import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { MasterKeyError } from "./canary.ts";
import { deriveMasterKey } from "./master-key.ts";
import { SealedRecordError } from "./sealed-box.ts";
import { openVault, type SecretPlace, sealerOf, type Vault } from "./vault.ts";
import type { StoredCanary, StoredDataKey, VaultOwner, VaultStore } from "./vault-store.ts";

const owner: VaultOwner = { tenant: "wallet", userId: "user-1" };
const place: SecretPlace = {
  owner,
  recordId: "connection-1",
  provider: "north-bank",
  purpose: "access_token",
  recordVersion: 1,
};
const masterKey = deriveMasterKey("an encryption key of over 32 characters", "credential");
const log = { info: () => undefined };

describe("the vault", () => {
  it("opens what it sealed", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    expect(await vault.open(store, { place, sealed })).toBe("secret");
    expect(Buffer.from(sealed.ciphertext).includes("secret")).toBe(false);
  });

  it("refuses a ciphertext moved to another connection, user, tenant, provider or purpose", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    const others: SecretPlace[] = [
      { ...place, recordId: "connection-2" },
      { ...place, owner: { ...owner, userId: "user-2" } },
      { ...place, owner: { ...owner, tenant: "firm" } },
      { ...place, provider: "maple-bank" },
      { ...place, purpose: "wallet_credential" },
    ];
    for (const other of others)
      await expect(vault.open(store, { place: other, sealed })).rejects.toThrow(SealedRecordError);
  });

  it("refuses an older ciphertext put back alone into the row of a newer version", async () => {
    const { vault, store } = await open();
    const old = await vault.seal(store, place, "old token");
    const newer = { ...place, recordVersion: 2 };
    await vault.seal(store, newer, "new token");
    await expect(vault.open(store, { place: newer, sealed: old })).rejects.toThrow(SealedRecordError);
  });

  it("refuses a truncated ciphertext and one with a flipped bit", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    const cut = { ...sealed, ciphertext: sealed.ciphertext.slice(0, -1) };
    const flipped = {
      ...sealed,
      ciphertext: Uint8Array.from(sealed.ciphertext, (byte, at) => (at === 60 ? byte ^ 1 : byte)),
    };
    await expect(vault.open(store, { place, sealed: cut })).rejects.toThrow(SealedRecordError);
    await expect(vault.open(store, { place, sealed: flipped })).rejects.toThrow(SealedRecordError);
  });

  it("refuses a data key moved to another user, with his own ciphertext", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    const thief = { ...owner, userId: "user-2" };
    for (const key of store.keys.values()) store.keys.set(key.dataKeyId, { ...key, owner: thief });
    await expect(vault.open(store, { place: { ...place, owner: thief }, sealed })).rejects.toThrow(SealedRecordError);
  });

  it("cannot open anything of a user whose data key was destroyed", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    store.keys.clear();
    await expect(vault.open(store, { place, sealed })).rejects.toThrow(SealedRecordError);
  });

  it("uses one data key a user and never shares one between users", async () => {
    const { vault, store } = await open();
    const first = await vault.seal(store, place, "a");
    const second = await vault.seal(store, { ...place, purpose: "refresh_token" }, "b");
    const other = await vault.seal(store, { ...place, owner: { ...owner, userId: "user-2" } }, "c");
    expect(second.dataKeyId).toBe(first.dataKeyId);
    expect(other.dataKeyId).not.toBe(first.dataKeyId);
  });

  it("tells whether a secret is a text, and moves secrets under one seal, without giving one out", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    expect(await vault.holds(store, { place, sealed }, "secret")).toBe(true);
    expect(await vault.holds(store, { place, sealed }, "other")).toBe(false);
    const to = { ...place, purpose: "revocation" };
    const bad = { ...sealed, ciphertext: sealed.ciphertext.slice(0, -1) };
    const parts = [
      { name: "good", place, sealed },
      { name: "bad", place, sealed: bad },
    ];
    const gathered = await vault.gather(store, { parts, facts: { reference: "r" }, to });
    expect(gathered.rejected).toEqual([{ name: "bad", failure: "rejected" }]);
    expect(await vault.open(store, { place: to, sealed: gathered.sealed })).toBe('{"reference":"r","good":"secret"}');
    expect(Object.keys(sealerOf(vault))).not.toContain("open");
  });

  it("counts every secret sealed together, and refuses to seal those of two owners together", async () => {
    const { vault, store } = await open();
    const secrets = ["a", "b", "c"].map((plaintext) => ({ place: { ...place, purpose: plaintext }, plaintext }));
    expect(new Set((await vault.sealAll(store, secrets)).map((one) => one.dataKeyId)).size).toBe(1);
    expect(store.sealsOf(owner)).toBe(3n);
    const mixed = [...secrets, { place: { ...place, owner: { ...owner, userId: "user-2" } }, plaintext: "d" }];
    await expect(vault.sealAll(store, mixed)).rejects.toThrow(RangeError);
  });

  it("replaces a data key that sealed as many records as it may, and still opens the older ones", async () => {
    const store = new MemoryStore();
    const vault = await openVault({ ...options(store), sealsPerDataKey: 2n });
    const sealed = [];
    for (const text of ["1", "2", "3"]) sealed.push(await vault.seal(store, place, text));
    expect(new Set(sealed.map((one) => one.dataKeyId)).size).toBe(2);
    expect(await Promise.all(sealed.map((one) => vault.open(store, { place, sealed: one })))).toEqual(["1", "2", "3"]);
  });

  it("opens records of the older master key after a newer one became current", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    const masterKeys = new Map([
      [1, masterKey],
      [2, randomBytes(32)],
    ]);
    const rotated = await openVault({ store, log, masterKeys, masterKeyVersion: 2 });
    expect(await rotated.open(store, { place, sealed })).toBe("secret");
    const later = await rotated.seal(store, { ...place, owner: { ...owner, userId: "user-2" } }, "x");
    expect(store.keys.get(later.dataKeyId)?.masterKeyVersion).toBe(2);
  });
});

describe("the canary", () => {
  it("refuses at start a key of another installation, before anything is sealed with it", async () => {
    const { store } = await open();
    const wrong = openVault({ ...options(store), masterKeys: new Map([[1, randomBytes(32)]]) });
    await expect(wrong).rejects.toThrow(MasterKeyError);
  });

  it("refuses data of another installation brought in with its own canary", async () => {
    const { store: foreign } = await open(randomBytes(32));
    await expect(openVault(options(foreign))).rejects.toThrow(MasterKeyError);
  });

  it("refuses to make itself anew while data keys exist", async () => {
    const { vault, store } = await open();
    await vault.seal(store, place, "secret");
    store.canaries.clear();
    await expect(openVault({ ...options(store), masterKeys: new Map([[1, randomBytes(32)]]) })).rejects.toThrow(
      MasterKeyError,
    );
    expect(store.canaries.size).toBe(0);
  });

  it("refuses a start without a master key that stored data keys are wrapped by", async () => {
    const { vault, store } = await open();
    await vault.seal(store, place, "secret");
    const only2 = openVault({ store, log, masterKeys: new Map([[2, masterKey]]), masterKeyVersion: 2 });
    await expect(only2).rejects.toThrow(/need master key version 1/);
  });

  it("lets one of two replicas win that start first with different keys", async () => {
    const store = new MemoryStore();
    const keys = [masterKey, randomBytes(32)];
    const starts = await Promise.allSettled(
      keys.map((key) => openVault({ ...options(store), masterKeys: new Map([[1, key]]) })),
    );
    expect(starts.map((start) => start.status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("logs that Secure Credential Storage is ready, and no key", async () => {
    const lines: string[] = [];
    const capture = { info: (facts: object, message: string) => lines.push(JSON.stringify({ ...facts, message })) };
    await openVault({ ...options(new MemoryStore()), log: capture });
    expect(lines).toEqual(['{"masterKeyVersion":1,"message":"Secure Credential Storage ready"}']);
  });
});

describe("deriveMasterKey", () => {
  it("refuses a missing key and one under 32 characters", () => {
    for (const secret of [undefined, "", "x".repeat(31)]) {
      expect(() => deriveMasterKey(secret, "credential")).toThrow("Encryption key required");
    }
    expect(deriveMasterKey("x".repeat(32), "credential")).toHaveLength(32);
  });

  it("gives different keys for different uses of one secret", () => {
    const secret = "x".repeat(40);
    expect(deriveMasterKey(secret, "credential").equals(deriveMasterKey(secret, "registry"))).toBe(false);
  });
});

function options(store: VaultStore) {
  return { store, log, masterKeys: new Map([[1, masterKey]]), masterKeyVersion: 1 };
}

async function open(key: Buffer = masterKey): Promise<{ vault: Vault; store: MemoryStore }> {
  const store = new MemoryStore();
  return { store, vault: await openVault({ ...options(store), masterKeys: new Map([[1, key]]) }) };
}

/** Keeps rows in maps; the store of the product, and what several callers do to it at once, is tested in its service. */
class MemoryStore implements VaultStore {
  readonly keys = new Map<string, StoredDataKey>();
  readonly canaries = new Map<number, StoredCanary>();
  readonly #current = new Map<string, { dataKeyId: string; seals: bigint }>();

  async countSeals(wanted: VaultOwner, seals: number, sealsMax: bigint): Promise<StoredDataKey | undefined> {
    const current = this.#current.get(JSON.stringify(wanted));
    if (current === undefined || current.seals >= sealsMax) return undefined;
    current.seals += BigInt(seals);
    return this.keys.get(current.dataKeyId);
  }

  sealsOf(wanted: VaultOwner): bigint | undefined {
    return this.#current.get(JSON.stringify(wanted))?.seals;
  }

  async addDataKey(key: StoredDataKey, sealsMax: bigint): Promise<void> {
    const current = this.#current.get(JSON.stringify(key.owner));
    if (current !== undefined && current.seals < sealsMax) return;
    this.keys.set(key.dataKeyId, key);
    this.#current.set(JSON.stringify(key.owner), { dataKeyId: key.dataKeyId, seals: 0n });
  }

  async findDataKey(_owner: VaultOwner, dataKeyId: string): Promise<StoredDataKey | undefined> {
    return this.keys.get(dataKeyId);
  }

  async listCanaries(): Promise<readonly StoredCanary[]> {
    return [...this.canaries.values()];
  }

  async addCanary(canary: StoredCanary): Promise<boolean> {
    if (this.canaries.has(canary.masterKeyVersion)) return false;
    this.canaries.set(canary.masterKeyVersion, canary);
    return true;
  }

  async listMasterKeyVersionsInUse(): Promise<readonly number[]> {
    return [...new Set([...this.keys.values()].map((key) => key.masterKeyVersion))];
  }
}
