import type { KeyObject } from "node:crypto";
import { hashesEqual } from "../../platform/secrets/keyed-hash.ts";
import type { AuditProblem } from "./audit-verify.ts";
import { type ChainHead, isSignedBy, parseHeads, recordHash, type SignedHeads } from "./head-signature.ts";

/** The last signed head of every chain, and what is wrong with the records themselves. */
export interface VerifiedHeads {
  /** By `chainName`. */
  readonly last: ReadonlyMap<string, ChainHead>;
  readonly problems: readonly AuditProblem[];
}

/** Names a chain among those of all tenants. */
export function chainName(chain: { readonly tenant: string; readonly chain: number }): string {
  return `${chain.chain} ${chain.tenant}`;
}

/**
 * Checks records of heads: signed by this key, each naming the one before, none left out in between. The first of them may have
 * any number.
 */
export async function verifyHeads(
  records: AsyncIterable<SignedHeads> | Iterable<SignedHeads>,
  publicKey: KeyObject,
): Promise<VerifiedHeads> {
  const last = new Map<string, ChainHead>();
  const problems: AuditProblem[] = [];
  let before: SignedHeads | undefined;
  for await (const record of records) {
    const heads = isSignedBy(publicKey, record) ? parseHeads(record.heads) : undefined;
    if (heads === undefined) problems.push(headProblem("head_altered", record.number));
    if (before !== undefined && record.number !== before.number + 1n) {
      problems.push(headProblem("head_missing", before.number + 1n));
    } else if (before !== undefined && !hashesEqual(recordHash(before), record.previousHash)) {
      problems.push(headProblem("head_altered", before.number));
    }
    for (const head of heads ?? []) {
      const known = last.get(chainName(head));
      if (known === undefined || known.sequence < head.sequence) last.set(chainName(head), head);
    }
    before = record;
  }
  return { last, problems };
}

function headProblem(kind: "head_altered" | "head_missing", number: bigint): AuditProblem {
  return { kind, tenant: "", chain: -1, where: `signed head ${number}` };
}
