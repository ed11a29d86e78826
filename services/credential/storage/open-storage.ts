import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { installationKey } from "../../platform/vault/installation-keys.ts";
import { type Keyring, openKeyring, type VaultLog } from "../../platform/vault/keyring.ts";
import { deriveMasterKey } from "../../platform/vault/master-key.ts";
import { MasterKeyError } from "../../platform/vault/master-key-error.ts";
import type { MasterKeySource } from "../../platform/vault/master-key-source.ts";
import { createVault, sealerOf } from "../../platform/vault/vault.ts";
import { createAccessReads } from "./access-reads.ts";
import { createAuditLog } from "./audit-log.ts";
import { createOpenings } from "./openings.ts";
import type { Storage } from "./storage.ts";
import type { Tables } from "./tables.ts";
import { createVaultStore } from "./vault-store.ts";

/** Options of `openStorage`. */
export interface StorageOptions {
  readonly db: Database<Tables>;
  readonly masterKeys: MasterKeySource;
  readonly log: VaultLog;
}

/**
 * Proves the master keys against the stored canaries and opens the service's storage; logs that it is ready. Throws
 * `MasterKeyError` for a key that is not this installation's, or is missing.
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { db, masterKeys, log } = options;
  const keyring = await openKeyring({
    store: createVaultStore(db.query),
    source: masterKeys,
    use: "credential vault",
    log,
  });
  const vault = createVault({ keyring, log });
  const key = (name: string) => installationKeyNamed(options, keyring, name);
  const auditKey = await key("credential audit chain");
  const auditLog = createAuditLog({ db, auditKey });
  return Object.freeze({
    db,
    // The vault itself stays here: whoever wants a plaintext has to go through the openings.
    vault: sealerOf(vault),
    openings: createOpenings({ db, vault, auditLog }),
    auditLog,
    accessReads: createAccessReads(db),
    keyring,
    auditKey,
    auditHeadsKey: await newInstallationKey(db, keyring, "credential audit heads"),
    pageFormsKey: await newInstallationKey(db, keyring, "credential page forms"),
    browserMarkKey: await newInstallationKey(db, keyring, "credential browser marks"),
    stateHashKey: await key("credential consent state"),
    userReferenceKey: await key("credential user reference"),
  });
}

function newInstallationKey(db: Database<Tables>, keyring: Keyring, name: string): Promise<Buffer> {
  const first = async () => undefined;
  return inTransaction(db, (tx) => installationKey({ store: createVaultStore(tx), keyring, name, first }));
}

/**
 * The first version of the program derived these keys from the secret of master key version 1. They are derived once more to be
 * stored, so that what was hashed under them stays right, and any number of rotations leaves them as they are.
 */
async function installationKeyNamed(options: StorageOptions, keyring: Keyring, name: string): Promise<Buffer> {
  const { db, masterKeys } = options;
  const first = async (): Promise<Buffer | undefined> => {
    const entry = (await masterKeys.read()).get(1);
    if (entry?.kind === "secret") return deriveMasterKey(entry.secret, name);
    const stored = (await createVaultStore(db.query).listMasterKeys()).find(({ version }) => version === 1);
    if (stored === undefined || stored.wrapped !== undefined || stored.isRetired) return undefined;
    throw new MasterKeyError(`master key version 1 is needed once more, to keep the key of the ${name}`);
  };
  return await inTransaction(db, (tx) => installationKey({ store: createVaultStore(tx), keyring, name, first }));
}
