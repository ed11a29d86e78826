import { type Batcher, createBatcher } from "../../platform/db/batcher.ts";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction, sqlStateOf } from "../../platform/db/transaction.ts";
import { type AuditedActs, type ChainedActs, chainActs, type Head, headName, toChains } from "./audit-entries.ts";
import { appendAudits } from "./audit-store.ts";
import { appendIfMet, appendIfMetValues } from "./audit-write.ts";
import { isRowFault } from "./row-fault.ts";
import type { Tables } from "./tables.ts";

// Chains of one lane are written by one statement at a time: two would only wait for each other.
const lanes = 2;
const rowsMax = 200;
const waitingMax = 20_000;
const triesMax = 3;
const headsKeptMax = 4_096;
const conflicts: readonly (string | undefined)[] = ["40001", "40P01"];

/** Where acts are told of that stand by themselves, such as a reading or a refusal; one that writes something is told of in its transaction. */
export interface AuditLog {
  /**
   * Appends acts; resolves once they are committed. Never inside a transaction of the caller's: acts of a process that come together are
   * written together.
   */
  append(audited: AuditedActs): Promise<void>;
}

/** Makes the log of a process. */
export function createAuditLog(parts: { readonly db: Database<Tables>; readonly auditKey: Uint8Array }): AuditLog {
  const heads = createKnownHeads();
  const byLane = Array.from(
    { length: lanes },
    (): Batcher<ChainedActs, undefined> =>
      createBatcher({
        flush: async (batch) => {
          await appendBatch(parts, heads, batch);
          return batch.map(() => undefined);
        },
        rowsMax,
        flightsMax: 1,
        waitingMax,
        isRowFault,
      }),
  );
  return Object.freeze({
    append: async (audited: AuditedActs) => {
      for (const chained of toChains(parts.auditKey, [audited])) await byLane[chained.chain % lanes]?.add(chained);
    },
  });
}

/**
 * By one statement, as long as the chains end where this process left them; by another one when somebody else has appended meanwhile.
 * With too many others about, the chains are locked first.
 */
async function appendBatch(
  parts: { readonly db: Database<Tables>; readonly auditKey: Uint8Array },
  heads: KnownHeads,
  batch: readonly ChainedActs[],
): Promise<void> {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const appended = chainActs(parts.auditKey, batch, heads.of(batch));
    const values = appendIfMetValues(appended, (head) => heads.find(head));
    heads.forget(appended.heads);
    const held = await parts.db.hot<Head & { allMet: boolean }>(appendIfMet, values).catch((error: unknown) => {
      if (conflicts.includes(sqlStateOf(error))) return [];
      throw error;
    });
    const isWritten = held.length === appended.heads.length && held.every(({ allMet }) => allMet);
    heads.keep(isWritten ? appended.heads : held);
    if (isWritten) return;
    // One that nobody has appended to yet has to be made.
    if (held.length < appended.heads.length) break;
  }
  await inTransaction(parts.db, (tx) => appendAudits(parts, tx, batch));
}

/**
 * Where chains were when they were last seen, committed. Only saves looking: an append says what it expects, and is not done where
 * that is not so.
 */
interface KnownHeads {
  /** The head of a chain; one that no chain has when it is not known. */
  find(chain: Pick<Head, "tenant" | "chain">): Head;
  of(chains: readonly Pick<Head, "tenant" | "chain">[]): Map<string, Head>;
  keep(heads: readonly Head[]): void;
  forget(heads: readonly Head[]): void;
}

function createKnownHeads(): KnownHeads {
  const known = new Map<string, Head>();
  const find = ({ tenant, chain }: Pick<Head, "tenant" | "chain">): Head =>
    known.get(headName({ tenant, chain })) ?? { tenant, chain, sequence: -1n, hash: new Uint8Array() };
  return {
    find,
    of: (chains) => new Map(chains.map((chain) => [headName(chain), find(chain)])),
    keep: (heads) => {
      if (known.size + heads.length > headsKeptMax) known.clear();
      for (const { tenant, chain, sequence, hash } of heads) {
        known.set(headName({ tenant, chain }), { tenant, chain, sequence, hash });
      }
    },
    forget: (heads) => {
      for (const head of heads) known.delete(headName(head));
    },
  };
}
