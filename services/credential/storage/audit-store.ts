import { randomBytes } from "node:crypto";
import { type RawBuilder, sql } from "kysely";
import { hmac } from "../../platform/secrets/keyed-hash.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { type ChainedEntry, chainOf, entryHash, genesisHash, ownerHash } from "./audit-chain.ts";
import type { Storage, Tx } from "./storage.ts";

const textLengthMax = 300;
const saltBytes = 16;

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
  const entries: HashedEntry[] = [];
  const persons: Person[] = [];
  for (const one of chained) {
    const head = heads.get(headName(one));
    if (head === undefined) throw new Error("an audit chain that was just made is gone");
    for (const act of one.acts) {
      const { entry, person } = toEntry({ ...one, auditKey: storage.auditKey, act, sequence: head.sequence + 1n });
      if (person !== undefined) persons.push(person);
      head.sequence = entry.sequence;
      head.hash = entryHash(storage.auditKey, head.hash, entry);
      entries.push({ ...entry, hash: head.hash });
    }
  }
  await write(tx, { entries, heads: [...heads.values()], owners: chained, persons });
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

type HashedEntry = ChainedEntry & { readonly hash: Uint8Array };

/** Where a user acted from: beside the chain, which holds a hash of it under the salt. */
interface Person {
  readonly tenant: string;
  readonly chain: number;
  readonly sequence: bigint;
  readonly ownerHash: Buffer;
  readonly clientAddress: string;
  readonly userAgent: string;
  readonly salt: Buffer;
}

async function write(
  tx: Tx,
  parts: {
    readonly entries: readonly HashedEntry[];
    readonly heads: readonly Head[];
    readonly owners: readonly { readonly subject: AuditSubject; readonly ownerHash: Buffer }[];
    readonly persons: readonly Person[];
  },
): Promise<void> {
  const { heads, persons } = parts;
  const column = <T>(read: (entry: HashedEntry) => T): T[] => parts.entries.map(read);
  const owners = [...new Map(parts.owners.map((one) => [one.ownerHash.toString("hex"), one])).values()];
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
    ), named as (
      insert into audit_owners (tenant, owner_hash, user_id)
      select tenant, owner_hash, user_id
      from unnest(${owners.map((one) => one.subject.owner.tenant)}::text[],
        ${owners.map((one) => one.ownerHash)}::bytea[], ${owners.map((one) => one.subject.owner.userId)}::text[])
        as owner (tenant, owner_hash, user_id)
      where not ${lateForErased(sql.ref("owner.tenant"), sql.ref("owner.owner_hash"))}
      order by tenant, owner_hash
      on conflict do nothing
    ), placed as (
      insert into audit_persons (tenant, chain, sequence, owner_hash, client_address, user_agent, salt)
      select tenant, chain, sequence, owner_hash, client_address, user_agent, salt
      from unnest(${persons.map((one) => one.tenant)}::text[], ${persons.map((one) => one.chain)}::smallint[],
        ${persons.map((one) => one.sequence)}::bigint[], ${persons.map((one) => one.ownerHash)}::bytea[],
        ${persons.map((one) => one.clientAddress)}::text[], ${persons.map((one) => one.userAgent)}::text[],
        ${persons.map((one) => one.salt)}::bytea[])
        as person (tenant, chain, sequence, owner_hash, client_address, user_agent, salt)
      where not ${lateForErased(sql.ref("person.tenant"), sql.ref("person.owner_hash"))}
    )
    update audit_chains set head_sequence = head.sequence, head_hash = head.hash
    from unnest(${heads.map((head) => head.tenant)}::text[], ${heads.map((head) => head.chain)}::smallint[],
      ${heads.map((head) => head.sequence)}::bigint[], ${heads.map((head) => Buffer.from(head.hash))}::bytea[])
      as head (tenant, chain, sequence, hash)
    where audit_chains.tenant = head.tenant and audit_chains.chain = head.chain`.execute(tx);
}

/** Whether its owner was erased within the hour: an act that was under way then must not name him again. */
function lateForErased(tenant: RawBuilder<unknown>, hash: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql<boolean>`exists (select from erasures e where e.tenant = ${tenant} and e.owner_hash = ${hash}
    and e.completed_at > clock_timestamp() - interval '1 hour')`;
}

function toEntry(facts: {
  auditKey: Uint8Array;
  subject: AuditSubject;
  act: AuditAct;
  chain: number;
  ownerHash: Buffer;
  sequence: bigint;
}): { entry: ChainedEntry; person: Person | undefined } {
  const { subject, act, chain, sequence } = facts;
  const { tenant } = subject.owner;
  const clientAddress = storable(subject.actor.clientAddress);
  const userAgent = storable(subject.actor.userAgent);
  // The user himself: his name is the owner hash, and where he was can be forgotten without breaking the chain.
  const isUser = subject.actor.name.startsWith("user:");
  const salt = randomBytes(saltBytes);
  const shown = (text: string) => (isUser && text !== "" ? `#${personHash(facts.auditKey, salt, text)}` : text);
  const entry = {
    tenant,
    chain,
    sequence,
    at: subject.now,
    action: act.action,
    outcome: storable(act.outcome),
    actor: isUser ? "user" : storable(subject.actor.name),
    clientAddress: shown(clientAddress),
    userAgent: shown(userAgent),
    ownerHash: facts.ownerHash,
    connectionId: act.connectionId,
    institutionId: act.institutionId,
    durationMs: Math.max(0, Math.round(act.durationMs)),
    details: JSON.stringify(act.details ?? {}),
  };
  const person = { tenant, chain, sequence, ownerHash: facts.ownerHash, clientAddress, userAgent, salt };
  return { entry, person: isUser ? person : undefined };
}

function personHash(auditKey: Uint8Array, salt: Buffer, text: string): string {
  return hmac(auditKey).update(salt).update(text).digest("hex");
}

// What a client sends as its user agent goes into a text column and a hash: no NUL, no lone surrogates, no novels.
function storable(text: string): string {
  return text.slice(0, textLengthMax).toWellFormed().replaceAll("\0", "");
}
