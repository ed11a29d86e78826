import { describe, expect, it } from "vitest";
import { MemoryVaultStore, secretsByVersion } from "../testing/memory-vault-store.ts";
import { installationKey } from "./installation-keys.ts";
import { type Keyring, openKeyring } from "./keyring.ts";
import { MasterKeyError } from "./master-key-error.ts";
import type { MasterKeySource } from "./master-key-source.ts";
import { createVault } from "./vault.ts";

const secret = "an encryption key of over 32 characters";
const otherSecret = "another encryption key of over 32 characters";
const log = { info: () => undefined, warn: () => undefined };
const place = {
  owner: { tenant: "wallet", userId: "user-1" },
  recordId: "connection-1",
  provider: "north-bank",
  purpose: "access_token",
  recordVersion: 1,
};

const open = (store: MemoryVaultStore, source: MasterKeySource): Promise<Keyring> =>
  openKeyring({ store, source, use: "test", log });

async function installed(): Promise<MemoryVaultStore> {
  const store = new MemoryVaultStore();
  const vault = createVault({ keyring: await open(store, secretsByVersion({ 1: secret })), log });
  await vault.seal(store, place, "secret");
  return store;
}

describe("the canary", () => {
  it("refuses at start a key of another installation, before anything is sealed with it", async () => {
    const store = await installed();
    await expect(open(store, secretsByVersion({ 1: otherSecret }))).rejects.toThrow(MasterKeyError);
  });

  it("refuses to make itself anew while data keys exist", async () => {
    const store = await installed();
    store.masterKeys.clear();
    await expect(open(store, secretsByVersion({ 1: otherSecret }))).rejects.toThrow(MasterKeyError);
    expect(store.masterKeys.size).toBe(0);
  });

  it("refuses a start without a master key that stored data keys are wrapped by", async () => {
    const store = await installed();
    await expect(open(store, secretsByVersion({ 2: secret }))).rejects.toThrow(/need master key version 1/);
    expect(store.masterKeys.has(2)).toBe(false);
  });

  it("lets one of two replicas win that start first with different keys", async () => {
    const store = new MemoryVaultStore();
    const starts = await Promise.allSettled(
      [secret, otherSecret].map((each) => open(store, secretsByVersion({ 1: each }))),
    );
    expect(starts.map((start) => start.status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("logs that Secure Credential Storage is ready, and no key", async () => {
    const lines: string[] = [];
    const info = (facts: object, message: string) => lines.push(JSON.stringify({ ...facts, message }));
    const source = secretsByVersion({ 1: secret });
    await openKeyring({ store: new MemoryVaultStore(), source, use: "test", log: { ...log, info } });
    expect(lines).toEqual(['{"masterKeyVersion":1,"message":"Secure Credential Storage ready"}']);
  });
});

describe("a keyring", () => {
  it("learns a version that turns up while it is in use, where the source has it by then", async () => {
    const store = await installed();
    const source = secretsByVersion({ 1: secret });
    const keyring = await open(store, source);
    await open(store, secretsByVersion({ 1: secret, 2: otherSecret }));
    store.makeCurrent(2);
    await expect(
      createVault({ keyring, log }).seal(store, { ...place, owner: { ...place.owner, userId: "u" } }, "x"),
    ).rejects.toThrow("version 2 is not known here");
    source.secrets.set(2, otherSecret);
    await keyring.learn(store);
    expect([...keyring.versions()].sort()).toEqual([1, 2]);
  });

  it("lets a retired version go, also one that is still configured", async () => {
    const store = new MemoryVaultStore();
    const source = secretsByVersion({ 1: secret, 2: otherSecret });
    const keyring = await open(store, source);
    store.retire(1);
    await keyring.learn(store);
    expect(keyring.versions()).toEqual([2]);
    expect((await open(store, source)).versions()).toEqual([2]);
  });

  it("keeps an installation's key the same whatever the master keys are", async () => {
    const store = new MemoryVaultStore();
    const keyring = await open(store, secretsByVersion({ 1: secret, 2: otherSecret }));
    const first = Buffer.alloc(32, 7);
    const given = { store, keyring, name: "audit", first: async () => first };
    expect(await installationKey(given)).toEqual(first);
    const never = async () => {
      throw new Error("asked for again");
    };
    expect(await installationKey({ ...given, first: never })).toEqual(first);
    const random = { ...given, name: "other", first: async () => undefined };
    expect(await installationKey(random)).toEqual(await installationKey(random));
  });
});
