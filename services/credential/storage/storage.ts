import type { Kysely, Transaction } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import type { Vault } from "../../platform/vault/vault.ts";
import type { Tables } from "./tables.ts";

/** What every store of this service works with. */
export interface Storage {
  readonly db: Database<Tables>;
  readonly vault: Vault;
  /** Keys the audit chain, 32 bytes: whoever may write the tables still cannot make a chain that verifies. */
  readonly auditKey: Uint8Array;
  /** Keys the hashes of consent states, 32 bytes. */
  readonly stateHashKey: Uint8Array;
  /** Keys the names by which providers know our users, 32 bytes. */
  readonly userReferenceKey: Uint8Array;
}

/** A pool or a transaction; reads take either. */
export type Queryable = Kysely<Tables>;

/** Writes that must commit together take this. */
export type Tx = Transaction<Tables>;
