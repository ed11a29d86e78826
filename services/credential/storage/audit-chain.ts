import { hmac, keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { associatedData } from "../../platform/vault/associated-data.ts";
import type { Owner } from "../domain/connection.ts";

/** Chains of a tenant: owners spread over them so that two rarely wait for one another. */
export const chainsPerTenant = 64;

/** What the hash of the first entry of a chain is chained to. */
export const genesisHash: Buffer = Buffer.alloc(32);

/** An entry as its hash covers it: every column but the hash itself. */
export interface ChainedEntry {
  readonly tenant: string;
  readonly chain: number;
  readonly sequence: bigint;
  readonly at: Date;
  readonly action: string;
  readonly outcome: string;
  readonly actor: string;
  readonly clientAddress: string;
  readonly userAgent: string;
  readonly ownerHash: Uint8Array;
  readonly connectionId: string | undefined;
  readonly institutionId: string;
  readonly durationMs: number;
  readonly details: string;
}

/** The owner as the audit names him: a keyed hash, so that erasing a user leaves a chain that verifies and names nobody. */
export function ownerHash(auditKey: Uint8Array, owner: Owner): Buffer {
  return keyedHash(auditKey, associatedData({ tenant: owner.tenant, userId: owner.userId }).toString("base64"));
}

/** Which of the tenant's chains an owner's entries are in. */
export function chainOf(hash: Uint8Array): number {
  return (hash[0] ?? 0) % chainsPerTenant;
}

/** HMAC-SHA256 over the previous hash and every column, each with its length: an edit or a reordering changes it. */
export function entryHash(auditKey: Uint8Array, previousHash: Uint8Array, entry: ChainedEntry): Buffer {
  const columns = associatedData({
    tenant: entry.tenant,
    chain: entry.chain,
    sequence: entry.sequence.toString(),
    at: entry.at.toISOString(),
    action: entry.action,
    outcome: entry.outcome,
    actor: entry.actor,
    clientAddress: entry.clientAddress,
    userAgent: entry.userAgent,
    ownerHash: Buffer.from(entry.ownerHash).toString("hex"),
    connectionId: entry.connectionId ?? "",
    institutionId: entry.institutionId,
    durationMs: entry.durationMs,
    details: entry.details,
  });
  return hmac(auditKey).update(previousHash).update(columns).digest();
}
