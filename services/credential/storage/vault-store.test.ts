import { describe, expect, it } from "vitest";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { secretsByVersion } from "../../platform/testing/memory-vault-store.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { openKeyring } from "../../platform/vault/keyring.ts";
import { MasterKeyError } from "../../platform/vault/master-key-error.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import { createVault } from "../../platform/vault/vault.ts";
import { openStorage } from "./open-storage.ts";
import type { Tables } from "./tables.ts";
import { createVaultStore } from "./vault-store.ts";

const log = { info: () => undefined, warn: () => undefined };
const masterKeys = secretsByVersion({ 1: "encryption-key-of-the-tests-0123456789" });
const place = { recordId: "c", provider: "b", purpose: "access_token", recordVersion: 1 };
let database: TestDatabase;
let db: Database<Tables>;

setUp(async () => {
  database = await createTestDatabase({ schema: "credential", directory: new URL("./migrations/", import.meta.url) });
  db = database.open<Tables>();
  return () => database.drop();
});

const keysOf = (userId: string) =>
  db.query.selectFrom("data_keys").selectAll().where("user_id", "=", userId).orderBy("data_key_id").execute();

describe("the vault's store", () => {
  it("makes one data key for a user when many seal for the first time at once, and counts every seal", async () => {
    const { vault } = await openStorage({ db, masterKeys, log });
    const owner = { tenant: "wallet", userId: "many" };
    const sealed = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        inTransaction(db, (tx) => vault.seal(createVaultStore(tx), { ...place, owner }, `secret ${at}`)),
      ),
    );
    expect(new Set(sealed.map((one) => one.dataKeyId)).size).toBe(1);
    expect(await keysOf("many")).toMatchObject([{ seals: 12n, is_current: true, master_key_version: 1 }]);
  });

  it("forgets key and count of a seal whose transaction failed", async () => {
    const { vault } = await openStorage({ db, masterKeys, log });
    const owner = { tenant: "wallet", userId: "failed" };
    const failing = inTransaction(db, async (tx) => {
      await vault.seal(createVaultStore(tx), { ...place, owner }, "secret");
      throw new Error("later");
    });
    await expect(failing).rejects.toThrow("later");
    expect(await keysOf("failed")).toEqual([]);
  });

  it("replaces a data key that is used up, once, and opens records of both", async () => {
    const store = createVaultStore(db.query);
    const other = await createTestDatabase({
      schema: "credential",
      directory: new URL("./migrations/", import.meta.url),
    });
    const own = other.open<Tables>();
    try {
      const ownStore = createVaultStore(own.query);
      const source = secretsByVersion({ 7: "another-key-of-the-tests-01234567890123" });
      const keyring = await openKeyring({ store: ownStore, source, use: "test", log });
      const vault = createVault({ keyring, log, sealsPerDataKey: 3n });
      const owner = { tenant: "wallet", userId: "busy" };
      const sealed = [];
      for (let at = 0; at < 7; at += 1) sealed.push(await vault.seal(ownStore, { ...place, owner }, `secret ${at}`));
      const keys = await own.query.selectFrom("data_keys").selectAll().execute();
      expect(keys.map((key) => key.seals).sort()).toEqual([1n, 3n, 3n]);
      expect(keys.filter((key) => key.is_current)).toHaveLength(1);
      for (const [at, one] of sealed.entries()) {
        expect(await vault.open(ownStore, { place: { ...place, owner }, sealed: one })).toBe(`secret ${at}`);
      }
      const [first] = sealed;
      if (first === undefined) throw new Error("nothing sealed");
      const elsewhere = vault.open(store, { place: { ...place, owner }, sealed: first });
      await expect(elsewhere).rejects.toThrow(SealedRecordError);
    } finally {
      await other.drop();
    }
  });

  it("refuses to open with another key than the one the installation was set up with", async () => {
    await openStorage({ db, masterKeys, log });
    const wrong = openStorage({
      db,
      masterKeys: secretsByVersion({ 1: "another-key-of-more-than-32-characters" }),
      log,
    });
    await expect(wrong).rejects.toThrow(MasterKeyError);
    const short = openStorage({ db, masterKeys: secretsByVersion({ 1: "short" }), log });
    await expect(short).rejects.toThrow("Encryption key required");
  });
});
