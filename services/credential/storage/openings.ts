import type { Database } from "../../platform/db/open-database.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { PlacedSecret, Vault } from "../../platform/vault/vault.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { AuditedActs } from "./audit-entries.ts";
import type { AuditLog } from "./audit-log.ts";
import { createDataKeyReads } from "./data-key-reads.ts";
import type { Tables } from "./tables.ts";

/** A secret to be read. Whose it is, which and at what provider, the audit takes from its place. */
export interface Reading extends PlacedSecret {
  readonly connectionId?: string | undefined;
  /** The connector it is of. */
  readonly connector: string;
  /** What it is read for, such as `list_accounts`. */
  readonly operation: string;
  readonly actor: Actor;
  readonly now: Date;
}

/**
 * The one way to a plaintext. Each reading's audit row (`credential_access`, outcome `opened`) is committed before anything is
 * opened: a secret that was read, or only tried to be, has its row, whatever happens to the reader afterwards. Its data key is looked up
 * after that: whose owner was erased meanwhile is not opened.
 */
export interface Openings {
  /**
   * Opens a secret. Never inside a transaction of the caller's: its row is written by itself, together with whatever else is
   * being read in this process. Throws `SealedRecordError`, after a `security_alert` was written, for one that was tampered with.
   */
  open(reading: Reading): Promise<string>;
}

/** Makes the openings of a process. */
export function createOpenings(parts: {
  readonly db: Database<Tables>;
  readonly vault: Vault;
  readonly auditLog: AuditLog;
}): Openings {
  const { auditLog } = parts;
  const keys = createDataKeyReads(parts.db);
  return Object.freeze({
    open: async (reading: Reading) => {
      await auditLog.append(auditedAs(reading, "credential_access", "opened"));
      try {
        return await parts.vault.open(keys, reading);
      } catch (error) {
        if (!(error instanceof SealedRecordError)) throw error;
        await auditLog.append(auditedAs(reading, "security_alert", "secret_rejected", { failure: error.failure }));
        throw error;
      }
    },
  });
}

function auditedAs(
  reading: Reading,
  action: AuditAct["action"],
  outcome: string,
  further: Readonly<Record<string, string>> = {},
): AuditedActs {
  const { place, connector, operation, actor, now } = reading;
  // The column is a uuid: one that is none would fail everybody's batch.
  const connectionId = isUuid(reading.connectionId ?? "") ? reading.connectionId : undefined;
  const details = { operation, purpose: place.purpose, ...further };
  const act = { action, outcome, connectionId, connector, institutionId: place.provider, durationMs: 0, details };
  return { subject: { owner: place.owner, actor, now }, acts: [act] };
}
