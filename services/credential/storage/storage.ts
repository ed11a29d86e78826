import type { Kysely, Transaction } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import type { Keyring } from "../../platform/vault/keyring.ts";
import type { Sealer } from "../../platform/vault/vault.ts";
import type { AccessReads } from "./access-reads.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Openings } from "./openings.ts";
import type { Tables } from "./tables.ts";

/** What every store of this service works with. */
export interface Storage {
  readonly db: Database<Tables>;
  /** Seals, and never gives a plaintext back. */
  readonly vault: Sealer;
  /** The one way to a plaintext; leaves an audit row first. */
  readonly openings: Openings;
  /** Acts that stand by themselves; one that writes something is told of in its own transaction. */
  readonly auditLog: AuditLog;
  /** Connections that are about to be used, with their access tokens. */
  readonly accessReads: AccessReads;
  /** The master keys this process holds. */
  readonly keyring: Keyring;
  /** Keys the audit chain, 32 bytes: whoever may write the tables still cannot make a chain that verifies. */
  readonly auditKey: Uint8Array;
  /** Signs the forms of pages. */
  readonly pageFormsKey: Uint8Array;
  /** Signs the marks of browsers that begin consents, and keys their hashes. */
  readonly browserMarkKey: Uint8Array;
  /** Seed of the Ed25519 key that signs the heads of the chains, 32 bytes. */
  readonly auditHeadsKey: Uint8Array;
  /** Keys the hashes of consent states, 32 bytes. */
  readonly stateHashKey: Uint8Array;
  /** Keys the names by which providers know our users, 32 bytes. */
  readonly userReferenceKey: Uint8Array;
}

/** A pool or a transaction; reads take either. */
export type Queryable = Kysely<Tables>;

/** Writes that must commit together take this. */
export type Tx = Transaction<Tables>;
