import { sql } from "kysely";
import type { AuditAction } from "../domain/audit.ts";
import type { ConnectionKey } from "../domain/connection.ts";
import { ownerHash } from "./audit-chain.ts";
import type { Storage } from "./storage.ts";

/** What the audit says was done with a connection. */
export interface ConnectionAuditEntry {
  /** Where it is in its chain; orders entries of one moment. */
  readonly position: string;
  readonly at: Date;
  readonly action: string;
  readonly outcome: string;
  readonly actor: string;
  readonly durationMs: number;
}

/** The entries of an owner's connection, newest first; `without` leaves acts out. */
export async function listAuditEntries(
  storage: Pick<Storage, "db" | "auditKey">,
  key: ConnectionKey,
  page: {
    readonly after: { readonly at: Date; readonly id: string } | undefined;
    readonly limit: number;
    readonly without?: readonly AuditAction[];
  },
): Promise<ConnectionAuditEntry[]> {
  let select = storage.db.query
    .selectFrom("audit_entries")
    .select(["sequence", "at", "action", "outcome", "actor", "duration_ms"])
    .where("connection_id", "=", key.connectionId)
    .where("owner_hash", "=", ownerHash(storage.auditKey, key.owner));
  if (page.without !== undefined) select = select.where("action", "not in", page.without);
  if (page.after !== undefined && /^\d{1,18}$/.test(page.after.id)) {
    const { at, id } = page.after;
    select = select.where(sql<boolean>`(at, sequence) < (${at}::timestamptz, ${id}::bigint)`);
  }
  const rows = await select.orderBy("at", "desc").orderBy("sequence", "desc").limit(page.limit).execute();
  return rows.map((row) => ({
    position: row.sequence.toString(),
    at: row.at,
    action: row.action,
    outcome: row.outcome,
    actor: row.actor,
    durationMs: row.duration_ms,
  }));
}
