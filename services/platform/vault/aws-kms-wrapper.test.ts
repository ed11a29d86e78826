import { DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type KmsServer, startKmsServer } from "../testing/kms-server.ts";
import { MemoryVaultStore } from "../testing/memory-vault-store.ts";
import { awsKmsWrapper } from "./aws-kms-wrapper.ts";
import { configuredMasterKeys } from "./configured-master-keys.ts";
import { openKeyring } from "./keyring.ts";
import { MasterKeyError } from "./master-key-error.ts";
import { createVault, rewrapDataKey } from "./vault.ts";

const secret = "a".repeat(32);
const log = { info: () => undefined, warn: () => undefined };
const place = {
  owner: { tenant: "wallet", userId: "user-1" },
  recordId: "connection-1",
  provider: "north-bank",
  purpose: "access_token",
  recordVersion: 1,
};
let kms: KmsServer;

beforeAll(async () => {
  kms = await startKmsServer();
});
beforeEach(() => {
  vi.stubEnv("AWS_ENDPOINT_URL_KMS", kms.url);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "of-the-test");
  kms.calls.length = 0;
});
afterEach(() => {
  vi.unstubAllEnvs();
  kms.fail(undefined);
});
afterAll(() => kms.close());

const sourceOf = (list: string) => configuredMasterKeys({ list, wrapperOf: awsKmsWrapper });
const open = (store: MemoryVaultStore, list: string) =>
  openKeyring({ store, source: sourceOf(list), use: "credential vault", log });

describe("a master key kept in AWS KMS", () => {
  it("is made by KMS once, opened by it at every start, and asked for no secret of a user", async () => {
    const store = new MemoryVaultStore();
    const vault = createVault({ keyring: await open(store, `1:aws-kms:${kms.keyArn}`), log });
    const sealed = await vault.seal(store, place, "secret");
    expect(store.masterKeys.get(1)?.wrapped).toBeDefined();
    const anew = createVault({ keyring: await open(store, `1:aws-kms:${kms.keyArn}`), log });
    expect(await anew.open(store, { place, sealed })).toBe("secret");
    const context = { "paymesh-use": "credential vault", "paymesh-master-key-version": "1" };
    expect(kms.calls).toEqual([
      { operation: "GenerateDataKey", context },
      { operation: "Decrypt", context },
    ]);
  });

  it("takes over from a secret by rewrapping", async () => {
    const store = new MemoryVaultStore();
    const sealed = await createVault({ keyring: await open(store, `1:${secret}`), log }).seal(store, place, "secret");
    const keyring = await open(store, `1:${secret},2:aws-kms:${kms.keyArn}`);
    store.makeCurrent(2);
    const stored = store.dataKeys.get(sealed.dataKeyId);
    if (stored === undefined) throw new Error("no data key");
    store.dataKeys.set(sealed.dataKeyId, rewrapDataKey(keyring, stored, 2));
    store.retire(1);
    const anew = createVault({ keyring: await open(store, `2:aws-kms:${kms.keyArn}`), log });
    expect(await anew.open(store, { place, sealed })).toBe("secret");
  });

  it("opens for its own use and version alone", async () => {
    const wrapper = awsKmsWrapper(kms.keyArn);
    const { key, wrapped } = await wrapper.generate({ version: "1" });
    expect(await wrapper.unwrap(wrapped, { version: "1" })).toEqual(key);
    await expect(wrapper.unwrap(wrapped, { version: "2" })).rejects.toThrow(/InvalidCiphertextException/);
    await expect(wrapper.unwrap(wrapped.subarray(1), { version: "1" })).rejects.toThrow(MasterKeyError);
  });

  it("refuses to start when KMS refuses, and when the version was set up otherwise", async () => {
    const store = new MemoryVaultStore();
    await open(store, `1:aws-kms:${kms.keyArn}`);
    await expect(open(store, `1:${secret}`)).rejects.toThrow("version 1 was set up in a KMS");
    await expect(open(store, `1:aws-kms:${kms.keyArn}x`)).rejects.toThrow(/NotFoundException/);
    kms.fail({ status: 400, type: "AccessDeniedException" });
    await expect(open(store, `1:aws-kms:${kms.keyArn}`)).rejects.toThrow(/AccessDeniedException/);
  });

  it("tells a KMS that fails from one that refuses", async () => {
    kms.fail({ status: 500, type: "KMSInternalException" });
    const failed = awsKmsWrapper(kms.keyArn).generate({});
    await expect(failed).rejects.toThrow();
    await expect(failed).rejects.not.toThrow(MasterKeyError);
  });
});

it("stands in for KMS as its own client knows it: what Encrypt wraps, Decrypt opens, for the same context", async () => {
  const client = new KMSClient({ region: "eu-west-1" });
  const context = { EncryptionContext: { b: "2", a: "1" } };
  const { CiphertextBlob } = await client.send(
    new EncryptCommand({ KeyId: kms.keyArn, Plaintext: Buffer.from("text"), ...context }),
  );
  const decrypt = (EncryptionContext: Record<string, string>) =>
    client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }));
  expect(Buffer.from((await decrypt({ a: "1", b: "2" })).Plaintext ?? []).toString()).toBe("text");
  await expect(decrypt({ a: "1" })).rejects.toMatchObject({ name: "InvalidCiphertextException" });
  client.destroy();
});
