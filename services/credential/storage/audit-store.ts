import { CompiledQuery, sql } from "kysely";
import type { AuditAct } from "../domain/audit.ts";
import { genesisHash } from "./audit-chain.ts";
import { type AuditedActs, type AuditSubject, chainActs, type Head, headName, toChains } from "./audit-entries.ts";
import { appendText, appendValues } from "./audit-write.ts";
import type { Storage, Tx } from "./storage.ts";

/**
 * Appends audit entries in the transaction of the act they tell of, so that one is never without the other. Takes the
 * chain's head for the rest of the transaction: call it last. Two statements, however many entries. An act that stands by itself
 * belongs to the audit log of the storage, which shares statements among them.
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
  const chained = toChains(storage.auditKey, audited);
  if (chained.length === 0) return;
  const appended = chainActs(storage.auditKey, chained, await lockHeads(tx, chained));
  await tx.executeQuery(CompiledQuery.raw(appendText, appendValues(appended)));
}

async function lockHeads(
  tx: Tx,
  wanted: readonly { readonly tenant: string; readonly chain: number }[],
): Promise<Map<string, Head>> {
  const names = new Map(wanted.map(({ tenant, chain }) => [headName({ tenant, chain }), { tenant, chain }]));
  const tenants = [...names.values()].map((head) => head.tenant);
  const chains = [...names.values()].map((head) => head.chain);
  const select = async (): Promise<Map<string, Head>> => {
    const { rows } = await sql<Head>`
      select tenant, chain, head_sequence as sequence, head_hash as hash from audit_chains
      where (tenant, chain) in (select * from unnest(${tenants}::text[], ${chains}::smallint[]))
      order by tenant, chain for update`.execute(tx);
    return new Map(rows.map((head) => [headName(head), head]));
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
