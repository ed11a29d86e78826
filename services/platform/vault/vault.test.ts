import { describe, expect, it } from "vitest";
import { MemoryVaultStore, secretsByVersion } from "../testing/memory-vault-store.ts";
import { openKeyring } from "./keyring.ts";
import { deriveMasterKey } from "./master-key.ts";
import { MasterKeyError } from "./master-key-error.ts";
import { SealedRecordError } from "./sealed-box.ts";
import { createVault, rewrapDataKey, type SecretPlace, sealerOf, type Vault } from "./vault.ts";
import type { VaultOwner } from "./vault-store.ts";

const owner: VaultOwner = { tenant: "wallet", userId: "user-1" };
const place: SecretPlace = {
  owner,
  recordId: "connection-1",
  provider: "north-bank",
  purpose: "access_token",
  recordVersion: 1,
};
const secret1 = "an encryption key of over 32 characters";
const secret2 = "another encryption key of over 32 characters";
const warnings: object[] = [];
const log = { info: () => undefined, warn: (facts: object) => warnings.push(facts) };

describe("the vault", () => {
  it("opens what it sealed", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    expect(await vault.open(store, { place, sealed })).toBe("secret");
    expect(Buffer.from(sealed.ciphertext).includes("secret")).toBe(false);
  });

  it("opens secrets of one key at once when it has to unwrap the key first, as after a start", async () => {
    const { vault, store } = await open();
    const places = [1, 2, 3, 4].map((recordVersion) => ({ ...place, recordVersion }));
    const secrets = [];
    for (const each of places) secrets.push({ place: each, sealed: await vault.seal(store, each, "secret") });
    const started = createVault({ keyring: await openKeyring({ store, source: source1, use: "test", log }), log });
    const opened = await Promise.all(secrets.map((secret) => started.open(store, secret)));
    expect(opened).toEqual(["secret", "secret", "secret", "secret"]);
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
    for (const key of store.dataKeys.values()) store.dataKeys.set(key.dataKeyId, { ...key, owner: thief });
    await expect(vault.open(store, { place: { ...place, owner: thief }, sealed })).rejects.toThrow(SealedRecordError);
  });

  it("cannot open anything of a user whose data key was destroyed", async () => {
    const { vault, store } = await open();
    const sealed = await vault.seal(store, place, "secret");
    store.dataKeys.clear();
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
    expect(await vault.failureOf(store, { place, sealed })).toBe(undefined);
    expect(await vault.failureOf(store, { place, sealed: bad })).toBe("rejected");
    expect(await vault.failureOf(store, { place, sealed: { ...sealed, dataKeyId: "other" } })).toBe("unknown_key");
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
    const { vault, store } = await open(2n);
    const sealed = [];
    for (const text of ["1", "2", "3"]) sealed.push(await vault.seal(store, place, text));
    expect(new Set(sealed.map((one) => one.dataKeyId)).size).toBe(2);
    expect(await Promise.all(sealed.map((one) => vault.open(store, { place, sealed: one })))).toEqual(["1", "2", "3"]);
  });

  it("warns once when a data key has sealed three quarters of what it may", async () => {
    const { vault, store } = await open(4n);
    warnings.length = 0;
    for (const text of ["1", "2", "3", "4"]) await vault.seal(store, place, text);
    expect(warnings).toMatchObject([{ total: 3n }]);
  });

  it("opens records of the older master key after a newer one became current", async () => {
    const store = new MemoryVaultStore();
    const source = secretsByVersion({ 1: secret1 });
    const keyring = await openKeyring({ store, source, use: "test", log });
    const vault = createVault({ keyring, log });
    const sealed = await vault.seal(store, place, "secret");
    source.secrets.set(2, secret2);
    await keyring.learn(store);
    store.makeCurrent(2);
    expect(await createVault({ keyring, log }).open(store, { place, sealed })).toBe("secret");
    const later = await vault.seal(store, { ...place, owner: { ...owner, userId: "user-2" } }, "x");
    expect(store.dataKeys.get(later.dataKeyId)?.masterKeyVersion).toBe(2);
  });

  it("opens what was sealed before its data key was rewrapped, and nothing under the older master key's wrap any more", async () => {
    const store = new MemoryVaultStore();
    const keyring = await openKeyring({
      store,
      source: secretsByVersion({ 1: secret1, 2: secret2 }),
      use: "test",
      log,
    });
    store.makeCurrent(1);
    const sealed = await createVault({ keyring, log }).seal(store, place, "secret");
    const old = store.dataKeys.get(sealed.dataKeyId);
    if (old === undefined) throw new Error("no data key");
    store.dataKeys.set(old.dataKeyId, rewrapDataKey(keyring, old, 2));
    store.makeCurrent(2);
    store.retire(1);
    await keyring.learn(store);
    expect(await createVault({ keyring, log }).open(store, { place, sealed })).toBe("secret");
    store.dataKeys.set(old.dataKeyId, old);
    await expect(createVault({ keyring, log }).open(store, { place, sealed })).rejects.toThrow(MasterKeyError);
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

const source1 = secretsByVersion({ 1: secret1 });

async function open(sealsPerDataKey?: bigint): Promise<{ vault: Vault; store: MemoryVaultStore }> {
  const store = new MemoryVaultStore();
  const keyring = await openKeyring({ store, source: source1, use: "test", log });
  return { store, vault: createVault({ keyring, log, ...(sealsPerDataKey === undefined ? {} : { sealsPerDataKey }) }) };
}
