import type { Logger } from "../../platform/telemetry/logger.ts";
import { gauge } from "../../platform/telemetry/metrics.ts";
import { standingsOfMasterKeys } from "../storage/master-key-store.ts";
import { reportReplica } from "../storage/replica-store.ts";
import type { Storage } from "../storage/storage.ts";
import { createVaultStore } from "../storage/vault-store.ts";

// NIST SP 800-38D allows 2^32 with random nonces; at half of it there is time for a rotation.
const wrapsWarnAt = 2n ** 31n;
const wrapsGauge = gauge("vault_master_key_wraps", "Keys wrapped by a master key version, at most");
const wrappedGauge = gauge("vault_keys_wrapped", "Data keys wrapped by a master key version now");

/** What watching needs. */
export interface MasterKeyWatchParts {
  readonly storage: Storage;
  /** Names this process among the replicas. */
  readonly replica: string;
  readonly log: Pick<Logger, "warn">;
}

/** Reads the master keys' source again and tells which versions this replica holds, which is what a rotation waits for. */
export async function watchMasterKeys({ storage, replica }: Omit<MasterKeyWatchParts, "log">): Promise<void> {
  const db = storage.db.query;
  try {
    await storage.keyring.learn(createVaultStore(db));
  } finally {
    // Also when a new version cannot be used here: a rotation must see that this replica lacks it.
    await reportReplica(db, { replica, versions: storage.keyring.versions() });
  }
}

/** Keeps the numbers of wraps as metrics, and warns at half of what a key may wrap. */
export async function countWraps({ storage, log }: Pick<MasterKeyWatchParts, "storage" | "log">): Promise<void> {
  for (const standing of await standingsOfMasterKeys(storage.db.query)) {
    if (standing.isRetired) continue;
    const version = String(standing.version);
    wrapsGauge.record(Number(standing.wrapsMax), { version });
    wrappedGauge.record(Number(standing.dataKeys), { version });
    if (standing.isCurrent && standing.wrapsMax >= wrapsWarnAt) {
      const facts = { masterKeyVersion: standing.version, total: standing.wrapsMax, limit: 2n ** 32n };
      log.warn(facts, "the master key nears the number of keys it may wrap: rotate it");
    }
  }
}
