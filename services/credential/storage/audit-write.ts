import type { HotStatement } from "../../platform/db/hot-statements.ts";
import type { Appended, Head } from "./audit-entries.ts";

/*
 * One append is one statement: entries, who their owners are, where persons acted from, and the heads moved. Its text comes in two
 * forms: within a transaction that holds the heads, and by itself, where it does nothing unless the heads are still as expected.
 */

/** Appends in a transaction that holds the heads. */
export const appendText = `with ${insertions("true")}
  update audit_chains set head_sequence = head.sequence, head_hash = head.hash from ${headRows("head")}
  where audit_chains.tenant = head.tenant and audit_chains.chain = head.chain`;

/**
 * Appends by itself when each chain still ends where it was expected to, else not at all. Answers the heads as they are before it, a
 * row each; a chain that is not there yet has none. The heads are locked in one order, and by everyone who appends: what it does to
 * them nobody does meanwhile.
 */
export const appendIfMet: HotStatement = {
  name: "credential_append_audit",
  text: `with held as materialized (
      select c.tenant, c.chain, c.head_sequence, c.head_hash,
        c.head_sequence = was.sequence and c.head_hash = was.hash as is_met
      from unnest($1::text[], $2::smallint[], $30::bigint[], $31::bytea[]) as was (tenant, chain, sequence, hash)
      join audit_chains c on c.tenant = was.tenant and c.chain = was.chain
      order by c.tenant, c.chain for update of c
    ), met as materialized (
      select count(*) filter (where is_met) = cardinality($1::text[]) as all_met from held
    ), ${insertions("(select all_met from met)")}, moved as (
      update audit_chains set head_sequence = head.sequence, head_hash = head.hash from ${headRows("head")}
      where audit_chains.tenant = head.tenant and audit_chains.chain = head.chain and (select all_met from met)
    )
    select tenant, chain, head_sequence as sequence, head_hash as hash, (select all_met from met) as "allMet" from held`,
};

/** The values of `appendText`. */
export function appendValues({ entries, heads, owners, persons }: Appended): unknown[] {
  const of = <Row>(rows: readonly Row[], ...columns: ((row: Row) => unknown)[]) =>
    columns.map((read) => rows.map(read));
  return [
    ...of(heads, tenantOf, chainNumberOf, sequenceOf, hashOf),
    ...of(
      entries,
      tenantOf,
      chainNumberOf,
      sequenceOf,
      (entry) => entry.at,
      (entry) => entry.action,
      (entry) => entry.outcome,
      (entry) => entry.actor,
      (entry) => entry.clientAddress,
      (entry) => entry.userAgent,
      (entry) => Buffer.from(entry.ownerHash),
      (entry) => entry.connectionId ?? null,
      (entry) => entry.institutionId,
      (entry) => entry.durationMs,
      (entry) => entry.details,
      hashOf,
    ),
    ...of(
      owners,
      tenantOf,
      (one) => one.ownerHash,
      (one) => one.subject.owner.userId,
    ),
    ...of(
      persons,
      tenantOf,
      chainNumberOf,
      sequenceOf,
      (one) => one.ownerHash,
      (one) => one.clientAddress,
      (one) => one.userAgent,
      (one) => one.salt,
    ),
  ];
}

/** The values of `appendIfMet`: those of the append, and where its chains are expected to end. */
export function appendIfMetValues(
  appended: Appended,
  expected: (head: Head) => Pick<Head, "sequence" | "hash">,
): unknown[] {
  const were = appended.heads.map(expected);
  return [...appendValues(appended), were.map(sequenceOf), were.map(hashOf)];
}

/** The rows that an append adds, where `guard` holds. Parameters 5 to 29. */
function insertions(guard: string): string {
  return `appended as (
      insert into audit_entries (tenant, chain, sequence, at, action, outcome, actor, client_address, user_agent,
        owner_hash, connection_id, institution_id, duration_ms, details, hash)
      select * from unnest($5::text[], $6::smallint[], $7::bigint[], $8::timestamptz[], $9::text[], $10::text[], $11::text[],
        $12::text[], $13::text[], $14::bytea[], $15::uuid[], $16::text[], $17::integer[], $18::text[], $19::bytea[])
      where ${guard}
    ), named as (
      insert into audit_owners (tenant, owner_hash, user_id)
      select tenant, owner_hash, user_id
      from unnest($20::text[], $21::bytea[], $22::text[]) as owner (tenant, owner_hash, user_id)
      where ${guard} and not ${lateForErased("owner")}
      order by tenant, owner_hash
      on conflict do nothing
    ), placed as (
      insert into audit_persons (tenant, chain, sequence, owner_hash, client_address, user_agent, salt)
      select tenant, chain, sequence, owner_hash, client_address, user_agent, salt
      from unnest($23::text[], $24::smallint[], $25::bigint[], $26::bytea[], $27::text[], $28::text[], $29::bytea[])
        as person (tenant, chain, sequence, owner_hash, client_address, user_agent, salt)
      where ${guard} and not ${lateForErased("person")}
    )`;
}

function headRows(name: string): string {
  return `unnest($1::text[], $2::smallint[], $3::bigint[], $4::bytea[]) as ${name} (tenant, chain, sequence, hash)`;
}

/** Whether its owner was erased within the hour: an act that was under way then must not name him again. */
function lateForErased(row: string): string {
  return `exists (select from erasures e where e.tenant = ${row}.tenant and e.owner_hash = ${row}.owner_hash
    and e.completed_at > clock_timestamp() - interval '1 hour')`;
}

interface Placed {
  readonly tenant: string;
  readonly chain: number;
  readonly sequence: bigint;
}

const tenantOf = ({ tenant }: Pick<Placed, "tenant">): string => tenant;
const chainNumberOf = ({ chain }: Pick<Placed, "chain">): number => chain;
const sequenceOf = ({ sequence }: Pick<Placed, "sequence">): bigint => sequence;
const hashOf = ({ hash }: { readonly hash: Uint8Array }): Buffer => Buffer.from(hash);
