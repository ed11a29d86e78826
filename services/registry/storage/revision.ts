import { sql, type Transaction } from "kysely";
import type { RegistryTables } from "./tables.ts";

/**
 * Takes the next revision. Its row stays locked until the transaction ends, so revisions commit in their order: a
 * follower who has seen one has seen all before. Take it last, when it is sure that a row changes.
 */
export async function nextRevision(tx: Transaction<RegistryTables>): Promise<bigint> {
  const row = await tx
    .updateTable("registry_revision")
    .set({ revision: sql`revision + 1` })
    .returning("revision")
    .executeTakeFirstOrThrow();
  return row.revision;
}

/** Lets one transaction at a time work on a row that may not exist yet. */
export async function lockName(tx: Transaction<RegistryTables>, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(tx);
}
