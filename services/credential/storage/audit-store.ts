import { sql } from "kysely";
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

/** Acts of one subject. */
export interface AuditedActs {
  readonly subject: AuditSubject;
  readonly acts: readonly AuditAct[];
}

/**
 * Appends audit entries in the transaction of the act they tell of, so that one is never without the other. Takes the
 * chain's head for the rest of the transaction: call it last. Two statements, however many entries.
 */
export async function appendAudit(
  storage: Pick<Storage, "auditKey">,
  tx: Tx,
  subject: AuditSubject,
  acts: readonly AuditAct[],
): Promise<void> {
  await appendAudits(storage, tx, [{ subject, acts }]);
}

/** Appends the acts of several subjects, still by two statements. Chains are locked in one order, so that no two wait for each other. */
export async function appendAudits(
  storage: Pick<Storage, "auditKey">,
  tx: Tx,
  audited: readonly AuditedActs[],
): Promise<void> {
  const chained = audited.map((one) => {
    const hash = ownerHash(storage.auditKey, one.subject.owner);
    return { ...one, ownerHash: hash, tenant: one.subject.owner.tenant, chain: chainOf(hash) };
  });
  if (!chained.some(({ acts }) => acts.length > 0)) return;
  const heads = await lockHeads(tx, chained);
  const entries: (ChainedEntry & { readonly hash: Uint8Array })[] = [];
  for (const one of chained) {
    const head = heads.get(headName(one));
    if (head === undefined) throw new Error("an audit chain that was just made is gone");
    for (const act of one.acts) {
      const entry = toEntry({ ...one, act, sequence: head.sequence + 1n });
      head.sequence = entry.sequence;
      head.hash = entryHash(storage.auditKey, head.hash, entry);
      entries.push({ ...entry, hash: head.hash });
    }
  }
  await write(tx, entries, [...heads.values()]);
}

interface Head {
  readonly tenant: string;
  readonly chain: number;
  sequence: bigint;
  hash: Uint8Array;
}

function headName(head: { readonly tenant: string; readonly chain: number }): string {
  return `${head.chain} ${head.tenant}`;
}

async function lockHeads(
  tx: Tx,
  wanted: readonly { readonly tenant: string; readonly chain: number }[],
): Promise<Map<string, Head>> {
  const names = new Map(wanted.map(({ tenant, chain }) => [headName({ tenant, chain }), { tenant, chain }]));
  const tenants = [...names.values()].map((head) => head.tenant);
  const chains = [...names.values()].map((head) => head.chain);
  const select = async (): Promise<Map<string, Head>> => {
    const { rows } = await sql<{ tenant: string; chain: number; head_sequence: bigint; head_hash: Uint8Array }>`
      select tenant, chain, head_sequence, head_hash from audit_chains
      where (tenant, chain) in (select * from unnest(${tenants}::text[], ${chains}::smallint[]))
      order by tenant, chain for update`.execute(tx);
    return new Map(
      rows.map(({ tenant, chain, head_sequence: sequence, head_hash: hash }) => [
        headName({ tenant, chain }),
        { tenant, chain, sequence, hash },
      ]),
    );
  };
  const heads = await select();
  if (heads.size === names.size) return heads;
  // In the same order as they are locked in.
  await sql`insert into audit_chains (tenant, chain, head_sequence, head_hash)
    select tenant, chain, 0, ${genesisHash}::bytea
    from unnest(${tenants}::text[], ${chains}::smallint[]) as wanted (tenant, chain) order by tenant, chain
    on conflict do nothing`.execute(tx);
  return await select();
}

async function write(
  tx: Tx,
  entries: readonly (ChainedEntry & { readonly hash: Uint8Array })[],
  heads: readonly Head[],
): Promise<void> {
  const column = <T>(read: (entry: ChainedEntry & { readonly hash: Uint8Array }) => T): T[] => entries.map(read);
  await sql`
    with appended as (
      insert into audit_entries (tenant, chain, sequence, at, action, outcome, actor, client_address, user_agent,
        owner_hash, connection_id, institution_id, duration_ms, details, hash)
      select * from unnest(${column((entry) => entry.tenant)}::text[], ${column((entry) => entry.chain)}::smallint[],
        ${column((entry) => entry.sequence)}::bigint[], ${column((entry) => entry.at)}::timestamptz[],
        ${column((entry) => entry.action)}::text[], ${column((entry) => entry.outcome)}::text[],
        ${column((entry) => entry.actor)}::text[], ${column((entry) => entry.clientAddress)}::text[],
        ${column((entry) => entry.userAgent)}::text[], ${column((entry) => Buffer.from(entry.ownerHash))}::bytea[],
        ${column((entry) => entry.connectionId ?? null)}::uuid[], ${column((entry) => entry.institutionId)}::text[],
        ${column((entry) => entry.durationMs)}::integer[], ${column((entry) => entry.details)}::text[],
        ${column((entry) => Buffer.from(entry.hash))}::bytea[])
    )
    update audit_chains set head_sequence = head.sequence, head_hash = head.hash
    from unnest(${heads.map((head) => head.tenant)}::text[], ${heads.map((head) => head.chain)}::smallint[],
      ${heads.map((head) => head.sequence)}::bigint[], ${heads.map((head) => Buffer.from(head.hash))}::bytea[])
      as head (tenant, chain, sequence, hash)
    where audit_chains.tenant = head.tenant and audit_chains.chain = head.chain`.execute(tx);
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
