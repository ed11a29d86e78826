import type { Actor, AuditAct } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { type ChainedEntry, chainOf, entryHash, genesisHash, ownerHash } from "./audit-chain.ts";
import type { Storage, Tx } from "./storage.ts";

const textLengthMax = 300;

/** Whose acts these are and who did them. */
export interface AuditSubject {
  readonly owner: Owner;
  readonly actor: Actor;
  readonly now: Date;
}

/**
 * Appends audit entries in the transaction of the act they tell of, so that one is never without the other. Takes the
 * chain's head for the rest of the transaction: call it last.
 */
export async function appendAudit(
  storage: Pick<Storage, "auditKey">,
  tx: Tx,
  subject: AuditSubject,
  acts: readonly AuditAct[],
): Promise<void> {
  const hash = ownerHash(storage.auditKey, subject.owner);
  const { tenant } = subject.owner;
  const chain = chainOf(hash);
  let head = await lockHead(tx, tenant, chain);
  for (const act of acts) {
    const entry = toEntry({ subject, act, chain, ownerHash: hash, sequence: head.sequence + 1n });
    head = { sequence: entry.sequence, hash: entryHash(storage.auditKey, head.hash, entry) };
    await tx.insertInto("audit_entries").values(toRow(entry, head.hash)).execute();
  }
  await tx
    .updateTable("audit_chains")
    .set({ head_sequence: head.sequence, head_hash: Buffer.from(head.hash) })
    .where("tenant", "=", tenant)
    .where("chain", "=", chain)
    .execute();
}

async function lockHead(tx: Tx, tenant: string, chain: number): Promise<{ sequence: bigint; hash: Uint8Array }> {
  const select = () =>
    tx
      .selectFrom("audit_chains")
      .select(["head_sequence", "head_hash"])
      .where("tenant", "=", tenant)
      .where("chain", "=", chain)
      .forUpdate()
      .executeTakeFirst();
  let row = await select();
  if (row === undefined) {
    await tx
      .insertInto("audit_chains")
      .values({ tenant, chain, head_sequence: 0n, head_hash: genesisHash })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    row = await select();
  }
  if (row === undefined) throw new Error("an audit chain that was just made is gone");
  return { sequence: row.head_sequence, hash: row.head_hash };
}

function toEntry(facts: {
  subject: AuditSubject;
  act: AuditAct;
  chain: number;
  ownerHash: Buffer;
  sequence: bigint;
}): ChainedEntry {
  const { subject, act } = facts;
  return {
    tenant: subject.owner.tenant,
    chain: facts.chain,
    sequence: facts.sequence,
    at: subject.now,
    action: act.action,
    outcome: storable(act.outcome),
    actor: storable(subject.actor.name),
    clientAddress: storable(subject.actor.clientAddress),
    userAgent: storable(subject.actor.userAgent),
    ownerHash: facts.ownerHash,
    connectionId: act.connectionId,
    institutionId: act.institutionId,
    durationMs: Math.max(0, Math.round(act.durationMs)),
    details: JSON.stringify(act.details ?? {}),
  };
}

// What a client sends as its user agent goes into a text column and a hash: no NUL, no lone surrogates, no novels.
function storable(text: string): string {
  return text.slice(0, textLengthMax).toWellFormed().replaceAll("\0", "");
}

function toRow(entry: ChainedEntry, hash: Uint8Array) {
  return {
    tenant: entry.tenant,
    chain: entry.chain,
    sequence: entry.sequence,
    at: entry.at,
    action: entry.action,
    outcome: entry.outcome,
    actor: entry.actor,
    client_address: entry.clientAddress,
    user_agent: entry.userAgent,
    owner_hash: Buffer.from(entry.ownerHash),
    connection_id: entry.connectionId ?? null,
    institution_id: entry.institutionId,
    duration_ms: entry.durationMs,
    details: entry.details,
    hash: Buffer.from(hash),
  };
}
