import { sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import { hashesEqual } from "../../platform/secrets/keyed-hash.ts";
import { type ChainedEntry, entryHash, genesisHash } from "./audit-chain.ts";
import { secretFingerprint, unkeyedFingerprint } from "./secret-store.ts";
import type { Storage, Tx } from "./storage.ts";

const batchSize = 1_000;
const problemsMax = 1_000;

/** Something in the audit, or beside it, that nobody of this service has written. */
export interface AuditProblem {
  readonly kind: "entry_altered" | "entry_missing" | "chain_cut" | "secret_put_back";
  readonly tenant: string;
  /** The chain, or -1 for a secret. */
  readonly chain: number;
  /** The entry, or the connection (for an OAuth client the bank) and purpose of a secret. */
  readonly where: string;
}

/**
 * Follows every chain from its first entry: an edited, removed or reordered entry is found, and so is a stored secret that is not
 * the one the audit saw stored last, which is how a whole row put back shows. What cannot be found here is a chain cut at its end together with
 * its head: keep the heads elsewhere to find that. Reads in batches, all from one snapshot, so that acts may go on meanwhile; at
 * most 1000 problems.
 */
export async function verifyAudit(storage: Pick<Storage, "db" | "auditKey">): Promise<AuditVerification> {
  return await inTransaction(storage.db, (tx) => verifySnapshot(tx, storage.auditKey), {
    isolation: "repeatable read",
  });
}

/** What was looked through, and what was found. */
export interface AuditVerification {
  readonly entries: bigint;
  readonly problems: readonly AuditProblem[];
}

async function verifySnapshot(tx: Tx, auditKey: Uint8Array): Promise<AuditVerification> {
  const heads = await tx.selectFrom("audit_chains").selectAll().orderBy("tenant").orderBy("chain").execute();
  const lastStored = new Map<string, string>();
  const problems: AuditProblem[] = [];
  let entries = 0n;
  for (const head of heads) {
    const { tenant, chain } = head;
    let [sequence, hash]: [bigint, Uint8Array] = [0n, genesisHash];
    for await (const { entry, stored } of entriesOf(tx, tenant, chain)) {
      if (entry.sequence !== sequence + 1n) problems.push(problem("entry_missing", entry, `${sequence + 1n}`));
      const expected = entryHash(auditKey, hash, entry);
      if (!hashesEqual(expected, stored)) problems.push(problem("entry_altered", entry, `${entry.sequence}`));
      noteSecrets(lastStored, entry);
      // Goes on from what is stored, so that one altered entry is one problem and not a thousand.
      [sequence, hash] = [entry.sequence, stored];
      entries += 1n;
      if (problems.length >= problemsMax) return { entries, problems };
    }
    const isWhole = sequence === head.head_sequence && hashesEqual(hash, head.head_hash);
    if (!isWhole) problems.push({ kind: "chain_cut", tenant, chain, where: `after ${sequence}` });
  }
  const isLastStored: SecretCheck = (where, purpose, version, ciphertext) => {
    const last = lastStored.get(where);
    if (last === undefined) return false;
    return (
      last === secretFingerprint(auditKey, purpose, version, ciphertext) ||
      last === unkeyedFingerprint(purpose, version, ciphertext)
    );
  };
  problems.push(...(await compareSecrets(tx, isLastStored)), ...(await compareClients(tx, isLastStored)));
  return { entries, problems: problems.slice(0, problemsMax) };
}

async function* entriesOf(
  tx: Tx,
  tenant: string,
  chain: number,
): AsyncGenerator<{ entry: ChainedEntry; stored: Uint8Array }> {
  for (let after = 0n; ; ) {
    const rows = await tx
      .selectFrom("audit_entries")
      .selectAll()
      .where("tenant", "=", tenant)
      .where("chain", "=", chain)
      .where("sequence", ">", after)
      .orderBy("sequence")
      .limit(batchSize)
      .execute();
    for (const row of rows) {
      const entry: ChainedEntry = {
        tenant,
        chain,
        sequence: row.sequence,
        at: row.at,
        action: row.action,
        outcome: row.outcome,
        actor: row.actor,
        clientAddress: row.client_address,
        userAgent: row.user_agent,
        ownerHash: row.owner_hash,
        connectionId: row.connection_id ?? undefined,
        institutionId: row.institution_id,
        durationMs: row.duration_ms,
        details: row.details,
      };
      yield { entry, stored: row.hash };
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.sequence;
  }
}

function problem(kind: AuditProblem["kind"], entry: ChainedEntry, where: string): AuditProblem {
  return { kind, tenant: entry.tenant, chain: entry.chain, where };
}

function noteSecrets(lastStored: Map<string, string>, entry: ChainedEntry): void {
  if (entry.action !== "credential_store") return;
  for (const fingerprint of storedIn(entry.details)) {
    const purpose = fingerprint.slice(0, fingerprint.indexOf(":"));
    // The OAuth clients at banks belong to no connection.
    lastStored.set(`${entry.connectionId ?? entry.institutionId}/${purpose}`, fingerprint);
  }
}

function storedIn(details: string): string[] {
  try {
    const parsed: unknown = JSON.parse(details);
    const stored = typeof parsed === "object" && parsed !== null && "stored" in parsed ? parsed.stored : [];
    return Array.isArray(stored) ? stored.filter((one) => typeof one === "string") : [];
  } catch {
    // Altered; the hash says so.
    return [];
  }
}

/** Whether a stored ciphertext is the one the audit saw stored last at this place. */
type SecretCheck = (where: string, purpose: string, version: number, ciphertext: Uint8Array) => boolean;

async function compareSecrets(tx: Tx, isLastStored: SecretCheck): Promise<AuditProblem[]> {
  const problems: AuditProblem[] = [];
  let after = { connectionId: "00000000-0000-0000-0000-000000000000", purpose: "" };
  for (;;) {
    const rows = await tx
      .selectFrom("connection_secrets")
      .select(["tenant", "connection_id", "purpose", "record_version", "ciphertext"])
      .where(sql<boolean>`(connection_id, purpose) > (${after.connectionId}::uuid, ${after.purpose}::text)`)
      .orderBy("connection_id")
      .orderBy("purpose")
      .limit(batchSize)
      .execute();
    for (const row of rows) {
      const where = `${row.connection_id}/${row.purpose}`;
      if (!isLastStored(where, row.purpose, row.record_version, row.ciphertext)) {
        problems.push({ kind: "secret_put_back", tenant: row.tenant, chain: -1, where });
      }
    }
    const last = rows.at(-1);
    if (last === undefined) return problems;
    after = { connectionId: last.connection_id, purpose: last.purpose };
  }
}

async function compareClients(tx: Tx, isLastStored: SecretCheck): Promise<AuditProblem[]> {
  const columns = ["bsim_id", "record_version", "sealed_secret"] as const;
  const rows = await tx.selectFrom("provider_clients").select(columns).orderBy("bsim_id").execute();
  return rows.flatMap((row): AuditProblem[] => {
    const where = `${row.bsim_id}/client_secret`;
    if (isLastStored(where, "client_secret", row.record_version, row.sealed_secret)) return [];
    return [{ kind: "secret_put_back", tenant: "operator", chain: -1, where }];
  });
}
