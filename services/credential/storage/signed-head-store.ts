import { sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import {
  type ChainHead,
  formatHeads,
  headKeys,
  noRecordHash,
  recordHash,
  type SignedHeads,
  signHeads,
} from "./head-signature.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";

const chainsPerRecordMax = 1_000;
const recordsPerRunMax = 100;
const readSize = 200;

/**
 * Signs the heads of chains that have moved since they were signed last. One process at a time; another that comes meanwhile leaves
 * it to that one. Returns how many chains were signed.
 */
export async function signMovedHeads(storage: Pick<Storage, "db" | "auditHeadsKey">, now: Date): Promise<number> {
  let signed = 0;
  for (let record = 1; record <= recordsPerRunMax; record += 1) {
    const count = await inTransaction(storage.db, (tx) => signRecord(storage, tx, now));
    signed += count;
    if (count < chainsPerRecordMax) break;
  }
  return signed;
}

async function signRecord(storage: Pick<Storage, "auditHeadsKey">, tx: Tx, now: Date): Promise<number> {
  const { rows } = await sql<{ mine: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended('paymesh audit heads', 0)) as mine`.execute(tx);
  if (rows[0]?.mine !== true) return 0;
  const heads = await movedHeads(tx);
  if (heads.length === 0) return 0;
  const last = await lastRecord(tx);
  const content = {
    number: (last?.number ?? 0n) + 1n,
    signedAt: now,
    heads: formatHeads(heads),
    previousHash: last === undefined ? noRecordHash : recordHash(last),
  };
  const signature = signHeads(headKeys(storage.auditHeadsKey).privateKey, content);
  await tx
    .insertInto("audit_signed_heads")
    .values({
      number: content.number,
      signed_at: content.signedAt,
      heads: content.heads,
      previous_hash: content.previousHash,
      signature,
    })
    .execute();
  await sql`insert into audit_signed_chains (tenant, chain, sequence)
    select * from unnest(${heads.map((head) => head.tenant)}::text[], ${heads.map((head) => head.chain)}::smallint[],
      ${heads.map((head) => head.sequence)}::bigint[])
    on conflict (tenant, chain) do update set sequence = excluded.sequence`.execute(tx);
  return heads.length;
}

/** Read without a lock: a head and the entry it names were committed together. */
async function movedHeads(tx: Tx): Promise<ChainHead[]> {
  const { rows } = await sql<{ tenant: string; chain: number; head_sequence: bigint; head_hash: Uint8Array }>`
    select c.tenant, c.chain, c.head_sequence, c.head_hash
    from audit_chains c left join audit_signed_chains s using (tenant, chain)
    where c.head_sequence > coalesce(s.sequence, 0)
    order by c.tenant, c.chain limit ${chainsPerRecordMax}`.execute(tx);
  return rows.map((row) => ({
    tenant: row.tenant,
    chain: row.chain,
    sequence: row.head_sequence,
    hash: Buffer.from(row.head_hash).toString("hex"),
  }));
}

async function lastRecord(db: Queryable): Promise<SignedHeads | undefined> {
  const row = await db
    .selectFrom("audit_signed_heads")
    .selectAll()
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return row && toRecord(row);
}

/** Every record after a number, in order. */
export async function* signedHeadsAfter(db: Queryable, number: bigint): AsyncGenerator<SignedHeads> {
  for (let after = number; ; ) {
    const rows = await db
      .selectFrom("audit_signed_heads")
      .selectAll()
      .where("number", ">", after)
      .orderBy("number")
      .limit(readSize)
      .execute();
    for (const row of rows) yield toRecord(row);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.number;
  }
}

function toRecord(row: {
  number: bigint;
  signed_at: Date;
  heads: string;
  previous_hash: Uint8Array;
  signature: Uint8Array;
}): SignedHeads {
  return {
    number: row.number,
    signedAt: row.signed_at,
    heads: row.heads,
    previousHash: row.previous_hash,
    signature: row.signature,
  };
}
