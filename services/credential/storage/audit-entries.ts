import { randomBytes } from "node:crypto";
import { hmac } from "../../platform/secrets/keyed-hash.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { type ChainedEntry, chainOf, entryHash, ownerHash } from "./audit-chain.ts";

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

/** Acts of one subject, with the chain that they go to. */
export interface ChainedActs extends AuditedActs {
  readonly ownerHash: Buffer;
  readonly tenant: string;
  readonly chain: number;
}

/** The end of a chain; the next entry's hash covers this one. */
export interface Head {
  readonly tenant: string;
  readonly chain: number;
  readonly sequence: bigint;
  readonly hash: Uint8Array;
}

/** An entry with its hash. */
export type HashedEntry = ChainedEntry & { readonly hash: Uint8Array };

/** Where a user acted from: beside the chain, which holds a hash of it under the salt. */
export interface Person {
  readonly tenant: string;
  readonly chain: number;
  readonly sequence: bigint;
  readonly ownerHash: Buffer;
  readonly clientAddress: string;
  readonly userAgent: string;
  readonly salt: Buffer;
}

/** Everything that one append writes. */
export interface Appended {
  readonly entries: readonly HashedEntry[];
  /** Of every chain that the entries are in. */
  readonly heads: readonly Head[];
  readonly owners: readonly ChainedActs[];
  readonly persons: readonly Person[];
}

/** Finds out which chains acts go to; acts of nobody's doing are left out. */
export function toChains(auditKey: Uint8Array, audited: readonly AuditedActs[]): ChainedActs[] {
  return audited
    .filter(({ acts }) => acts.length > 0)
    .map((one) => {
      const hash = ownerHash(auditKey, one.subject.owner);
      return { ...one, ownerHash: hash, tenant: one.subject.owner.tenant, chain: chainOf(hash) };
    });
}

/** Names a chain in a map. */
export function headName(head: { readonly tenant: string; readonly chain: number }): string {
  return `${head.chain} ${head.tenant}`;
}

/** Chains acts to the heads of their chains, in the order given. Throws when a head is missing. */
export function chainActs(
  auditKey: Uint8Array,
  chained: readonly ChainedActs[],
  heads: ReadonlyMap<string, Head>,
): Appended {
  const moved = new Map<string, Head>();
  const entries: HashedEntry[] = [];
  const persons: Person[] = [];
  for (const one of chained) {
    const name = headName(one);
    let head = moved.get(name) ?? heads.get(name);
    if (head === undefined) throw new Error("an audit chain that was just made is gone");
    for (const act of one.acts) {
      const { entry, person } = toEntry({ ...one, auditKey, act, sequence: head.sequence + 1n });
      if (person !== undefined) persons.push(person);
      const hash = entryHash(auditKey, head.hash, entry);
      head = { tenant: one.tenant, chain: one.chain, sequence: entry.sequence, hash };
      entries.push({ ...entry, hash });
    }
    moved.set(name, head);
  }
  const owners = new Map(chained.map((one) => [one.ownerHash.toString("hex"), one]));
  return { entries, heads: [...moved.values()], owners: [...owners.values()], persons };
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
    details: JSON.stringify(detailsOf(act)),
  };
  const person = { tenant, chain, sequence, ownerHash: facts.ownerHash, clientAddress, userAgent, salt };
  return { entry, person: isUser ? person : undefined };
}

/** The connector among them, since an entry has no place of its own for it; where there is none, not even its name. */
function detailsOf({ connector, details }: AuditAct): NonNullable<AuditAct["details"]> {
  return connector === "" ? { ...details } : { connector, ...details };
}

function personHash(auditKey: Uint8Array, salt: Buffer, text: string): string {
  return hmac(auditKey).update(salt).update(text).digest("hex");
}

// What a client sends as its user agent goes into a text column and a hash: no NUL, no lone surrogates, no novels.
function storable(text: string): string {
  return text.slice(0, textLengthMax).toWellFormed().replaceAll("\0", "");
}
