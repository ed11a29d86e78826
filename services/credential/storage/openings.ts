import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { PlacedSecret, Vault } from "../../platform/vault/vault.ts";
import type { VaultStore } from "../../platform/vault/vault-store.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import { type AuditedActs, appendAudits } from "./audit-store.ts";
import type { Tables } from "./tables.ts";
import { createVaultStore } from "./vault-store.ts";

const readingsPerBatchMax = 200;
const batchesAtOnceMax = 4;

/** A secret to be read. Whose it is, which and at what provider, the audit takes from its place. */
export interface Reading extends PlacedSecret {
  readonly connectionId?: string | undefined;
  /** What it is read for, such as `list_accounts`. */
  readonly operation: string;
  readonly actor: Actor;
  readonly now: Date;
}

/**
 * The one way to a plaintext. Each reading's audit row (`credential_access`, outcome `opened`) is committed before anything is
 * opened: a secret that was read, or only tried to be, has its row, whatever happens to the reader afterwards.
 */
export interface Openings {
  /**
   * Opens a secret. Never inside a transaction of the caller's: it takes one of its own, together with whatever else is being
   * read in this process. Throws `SealedRecordError`, after a `security_alert` was written, for one that was tampered with.
   * `keys`: where its data key was looked up together with it; asked anew when absent.
   */
  open(reading: Reading, keys?: VaultStore): Promise<string>;
}

interface Waiting {
  readonly audited: AuditedActs;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Makes the openings of a process. While rows are being written the next readings gather, and share a transaction. */
export function createOpenings(parts: {
  readonly db: Database<Tables>;
  readonly vault: Vault;
  readonly auditKey: Uint8Array;
}): Openings {
  const waiting: Waiting[] = [];
  let batches = 0;

  const writeBatches = async (): Promise<void> => {
    if (batches >= batchesAtOnceMax) return;
    batches += 1;
    try {
      for (let batch = waiting.splice(0, readingsPerBatchMax); batch.length > 0; ) {
        await writeBatch(parts, batch);
        batch = waiting.splice(0, readingsPerBatchMax);
      }
    } finally {
      batches -= 1;
    }
  };
  const record = (audited: AuditedActs): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.push({ audited, resolve, reject });
    // After this tick, so that readings begun together are written together.
    setImmediate(() => void writeBatches());
    return promise;
  };

  return Object.freeze({
    open: async (reading: Reading, keys = createVaultStore(parts.db.query)) => {
      await record(auditedAs(reading, "credential_access", "opened"));
      try {
        return await parts.vault.open(keys, reading);
      } catch (error) {
        if (!(error instanceof SealedRecordError)) throw error;
        await record(auditedAs(reading, "security_alert", "secret_rejected", { failure: error.failure }));
        throw error;
      }
    },
  });
}

/** Settles every reading of the batch; never rejects. */
async function writeBatch(
  parts: { readonly db: Database<Tables>; readonly auditKey: Uint8Array },
  batch: readonly Waiting[],
): Promise<void> {
  try {
    const audited = batch.map((one) => one.audited);
    await inTransaction(parts.db, (tx) => appendAudits(parts, tx, audited));
    for (const one of batch) one.resolve();
  } catch (error) {
    for (const one of batch) one.reject(error);
  }
}

function auditedAs(
  reading: Reading,
  action: AuditAct["action"],
  outcome: string,
  further: Readonly<Record<string, string>> = {},
): AuditedActs {
  const { place, operation, actor, now } = reading;
  // The column is a uuid: one that is none would fail everybody's batch.
  const connectionId = isUuid(reading.connectionId ?? "") ? reading.connectionId : undefined;
  const details = { operation, purpose: place.purpose, ...further };
  const act = { action, outcome, connectionId, institutionId: place.provider, durationMs: 0, details };
  return { subject: { owner: place.owner, actor, now }, acts: [act] };
}
