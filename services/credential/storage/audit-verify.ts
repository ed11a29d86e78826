import { inTransaction } from "../../platform/db/transaction.ts";
import { hashesEqual } from "../../platform/secrets/keyed-hash.ts";
import { type ChainedEntry, entryHash, genesisHash } from "./audit-chain.ts";
import { type ChainHead, headKeys, type SignedHeads } from "./head-signature.ts";
import { findMisplaced } from "./misplaced-secrets.ts";
import { findPutBack, type SecretCheck } from "./put-back-secrets.ts";
import { secretFingerprint, unkeyedFingerprint } from "./secret-store.ts";
import { signedHeadsAfter } from "./signed-head-store.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { chainName, type VerifiedHeads, verifyHeads } from "./verify-heads.ts";

const batchSize = 1_000;
const problemsMax = 1_000;

/** Something in the audit, or beside it, that nobody of this service has written. */
export interface AuditProblem {
  readonly kind:
    | "entry_altered"
    | "entry_missing"
    | "chain_cut"
    | "head_altered"
    | "head_missing"
    | "head_mismatch"
    | "secret_put_back"
    | "secret_rejected";
  readonly tenant: string;
  /** The chain, or -1 for a secret and a signed head. */
  readonly chain: number;
  /**
   * The entry, or what a secret is and of what: the connection, for an OAuth client the bank, for a token of the installation its name,
   * for a webhook the provider, for a secret that passes quickly its revocation, attempt, connection and number of the refresh, or e-mail.
   */
  readonly where: string;
}

/**
 * Follows every chain from its first entry: an edited, removed, reordered or appended entry is found, and so is a stored secret that
 * is not the one the audit saw stored last, which is how a whole row put back shows. Secrets that pass quickly (of consents under way and
 * revocations to be made, answers to refreshes, addresses of e-mails) are not in the audit one by one: their own seals tell of those that
 * were altered, swapped or brought from another place, not of a row put back whole where it was before. Every chain must pass through the
 * heads that were signed of it, here and in `kept`, records that were exported and kept elsewhere: that finds a chain cut at its end
 * together with its head, and with `kept` also when the newest signed heads were removed as well. Reads in batches, all from one
 * snapshot, so that acts may go on meanwhile; ends with the thousandth problem.
 */
export async function verifyAudit(
  storage: Pick<Storage, "db" | "vault" | "auditKey" | "auditHeadsKey">,
  kept: AsyncIterable<SignedHeads> | Iterable<SignedHeads> = [],
): Promise<AuditVerification> {
  const { publicKey } = headKeys(storage.auditHeadsKey);
  const elsewhere = await verifyHeads(kept, publicKey);
  return await inTransaction(storage.db, (tx) => verifySnapshot(tx, storage, elsewhere), {
    isolation: "repeatable read",
  });
}

/** What was looked through, and what was found. */
export interface AuditVerification {
  readonly entries: bigint;
  readonly problems: readonly AuditProblem[];
  /** It ended at the most problems it names, without having looked at the rest. */
  readonly isCutShort: boolean;
}

async function verifySnapshot(
  tx: Tx,
  storage: Pick<Storage, "vault" | "auditKey" | "auditHeadsKey">,
  elsewhere: VerifiedHeads,
): Promise<AuditVerification> {
  const { auditKey } = storage;
  const here = await verifyHeads(signedHeadsAfter(tx, 0n), headKeys(storage.auditHeadsKey).publicKey);
  const problems: AuditProblem[] = [...elsewhere.problems, ...here.problems];
  const lastStored = new Map<string, string>();
  const unseen = new Map([...here.last, ...elsewhere.last]);
  let entries = 0n;
  const chains = await tx.selectFrom("audit_chains").selectAll().orderBy("tenant").orderBy("chain").execute();
  for (const head of chains) {
    const signed = [here.last.get(chainName(head)), elsewhere.last.get(chainName(head))];
    unseen.delete(chainName(head));
    const walk = { tx, auditKey, head, signed: signed.filter((one) => one !== undefined), lastStored };
    entries += await verifyChain(walk, problems);
    if (problems.length >= problemsMax) return verification(entries, problems);
  }
  for (const { tenant, chain } of unseen.values())
    problems.push({ kind: "chain_cut", tenant, chain, where: "after 0" });
  const isLastStored: SecretCheck = (where, purpose, version, ciphertext) => {
    const last = lastStored.get(where);
    if (last === undefined) return false;
    return (
      last === secretFingerprint(auditKey, purpose, version, ciphertext) ||
      last === unkeyedFingerprint(purpose, version, ciphertext)
    );
  };
  for (const wrong of [findPutBack(tx, isLastStored), findMisplaced(tx, storage.vault)]) {
    for await (const problem of wrong) {
      problems.push(problem);
      if (problems.length >= problemsMax) return verification(entries, problems);
    }
  }
  return verification(entries, problems);
}

function verification(entries: bigint, problems: readonly AuditProblem[]): AuditVerification {
  return { entries, problems: problems.slice(0, problemsMax), isCutShort: problems.length >= problemsMax };
}

interface ChainWalk {
  readonly tx: Tx;
  readonly auditKey: Uint8Array;
  readonly head: { readonly tenant: string; readonly chain: number; head_sequence: bigint; head_hash: Uint8Array };
  /** What was signed of this chain. */
  readonly signed: readonly ChainHead[];
  /** Filled with what the entries tell of stored secrets. */
  readonly lastStored: Map<string, string>;
}

/** Walks one chain; returns its number of entries. */
async function verifyChain(walk: ChainWalk, problems: AuditProblem[]): Promise<bigint> {
  const { tx, auditKey, head, signed } = walk;
  const { tenant, chain } = head;
  let [sequence, hash]: [bigint, Uint8Array] = [0n, genesisHash];
  let entries = 0n;
  for await (const { entry, stored } of auditEntries(tx, { tenant, chain })) {
    if (entry.sequence !== sequence + 1n) problems.push(problem("entry_missing", entry, `${sequence + 1n}`));
    const expected = entryHash(auditKey, hash, entry);
    if (!hashesEqual(expected, stored)) problems.push(problem("entry_altered", entry, `${entry.sequence}`));
    const isOther = (one: ChainHead) =>
      one.sequence === entry.sequence && one.hash !== Buffer.from(stored).toString("hex");
    if (signed.some(isOther)) problems.push(problem("head_mismatch", entry, `${entry.sequence}`));
    noteSecrets(walk.lastStored, entry);
    // Goes on from what is stored, so that one altered entry is one problem and not a thousand.
    [sequence, hash] = [entry.sequence, stored];
    entries += 1n;
    if (problems.length >= problemsMax) return entries;
  }
  const isWhole = sequence === head.head_sequence && hashesEqual(hash, head.head_hash);
  const isShort = signed.some((one) => one.sequence > sequence);
  if (!isWhole || isShort) problems.push({ kind: "chain_cut", tenant, chain, where: `after ${sequence}` });
  return entries;
}

/** The entries of a chain in order, each with the hash that is stored with it. */
export async function* auditEntries(
  tx: Queryable,
  { tenant, chain }: { readonly tenant: string; readonly chain: number },
): AsyncGenerator<{ readonly entry: ChainedEntry; readonly stored: Uint8Array }> {
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
  // The OAuth clients at banks belong to no connection.
  const place = entry.connectionId ?? entry.institutionId;
  if (entry.action === "credential_store") {
    for (const fingerprint of namedIn(entry.details, "stored")) {
      lastStored.set(`${place}/${fingerprint.slice(0, fingerprint.indexOf(":"))}`, fingerprint);
    }
  }
  // What was destroyed and is there again was put back; and the map stays as small as what is stored.
  if (entry.action === "credential_delete") {
    for (const purpose of namedIn(entry.details, "deleted")) lastStored.delete(`${place}/${purpose}`);
  }
}

function namedIn(details: string, member: "stored" | "deleted"): string[] {
  try {
    const parsed: unknown = JSON.parse(details);
    const named: unknown =
      typeof parsed === "object" && parsed !== null
        ? Object.entries(parsed).find(([name]) => name === member)?.[1]
        : [];
    return Array.isArray(named) ? named.filter((one) => typeof one === "string") : [];
  } catch {
    // Altered; the hash says so.
    return [];
  }
}
