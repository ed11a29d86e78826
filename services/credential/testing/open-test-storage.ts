import { secretsByVersion } from "../../platform/testing/memory-vault-store.ts";
import { createTestDatabase } from "../../platform/testing/postgres.ts";
import { openStorage } from "../storage/open-storage.ts";
import type { Storage } from "../storage/storage.ts";
import type { Tables } from "../storage/tables.ts";

/** The service's storage over a database of its own, which goes with `drop`. */
export async function openTestStorage(): Promise<{ readonly storage: Storage; drop(): Promise<void> }> {
  const directory = new URL("../storage/migrations/", import.meta.url);
  const database = await createTestDatabase({ schema: "credential", directory });
  const masterKeys = secretsByVersion({ 1: "encryption-key-of-the-tests-0123456789" });
  const log = { info: () => undefined, warn: () => undefined };
  const storage = await openStorage({ db: database.open<Tables>(), masterKeys, log });
  return { storage, drop: () => database.drop() };
}
