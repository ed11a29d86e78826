import type { Database } from "../../platform/db/open-database.ts";
import { deriveMasterKey } from "../../platform/vault/master-key.ts";
import { openVault, sealerOf } from "../../platform/vault/vault.ts";
import { createOpenings } from "./openings.ts";
import type { Storage } from "./storage.ts";
import type { Tables } from "./tables.ts";
import { createVaultStore } from "./vault-store.ts";

// Written into every data key from the first day; a new key in the configuration becomes the next version.
const masterKeyVersion = 1;

/**
 * Proves the encryption key against the stored canary and opens the service's storage; logs that it is ready. Throws an Error
 * "Encryption key required" for a key under 32 characters and `MasterKeyError` for one that is not this installation's.
 */
export async function openStorage(options: {
  readonly db: Database<Tables>;
  readonly encryptionKey: string;
  readonly log: { info(facts: object, message: string): void };
}): Promise<Storage> {
  const { db, encryptionKey, log } = options;
  const masterKeys = new Map([[masterKeyVersion, deriveMasterKey(encryptionKey, "credential vault")]]);
  const vault = await openVault({ store: createVaultStore(db.query), masterKeys, masterKeyVersion, log });
  const auditKey = deriveMasterKey(encryptionKey, "credential audit chain");
  return Object.freeze({
    db,
    // The vault itself stays here: whoever wants a plaintext has to go through the openings.
    vault: sealerOf(vault),
    openings: createOpenings({ db, vault, auditKey }),
    auditKey,
    stateHashKey: deriveMasterKey(encryptionKey, "credential consent state"),
    userReferenceKey: deriveMasterKey(encryptionKey, "credential user reference"),
  });
}
