import { type Selectable, sql, type Transaction } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import { textsEqual } from "../../platform/secrets/keyed-hash.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type Bank, type BankFacts, type BankStanding, sameFacts } from "../domain/bank.ts";
import type { BankKeyBox } from "./bank-key-box.ts";
import { bankOf, factColumns } from "./bank-rows.ts";
import { lockName, nextRevision } from "./revision.ts";
import type { BankRow, RegistryDatabase, RegistryTables } from "./tables.ts";

/** What a bank's row shall be. */
export interface BankDecision {
  readonly facts: BankFacts;
  readonly standing: BankStanding;
  /** A new key for calling this bank; undefined leaves the stored one. */
  readonly apiKey: string | undefined;
}

/** Asked with the row under its lock; may throw a DomainError, which changes nothing. Must be free of effects. */
export type DecideBank = (stored: Bank | undefined) => BankDecision;

/** The rows of banks. */
export interface BankStore {
  find(id: string): Promise<Bank | undefined>;
  /** By id, after `after`. */
  list(page: { includeInactive: boolean; after: string; limit: number }): Promise<Bank[]>;
  /**
   * Creates or changes one bank. A decision that equals what is stored writes nothing, so that repeating a registration
   * is no change to anybody. A new bank, and one whose address or standing changed, is due for a probe at once.
   */
  save(id: string, decide: DecideBank): Promise<{ bank: Bank; created: boolean }>;
}

/** A store over the registry's schema; bank keys are sealed by `box`. */
export function createBankStore(deps: { db: RegistryDatabase; box: BankKeyBox; clock: Clock }): BankStore {
  const { db } = deps;
  return {
    find: async (id) => {
      const row = await db.query.selectFrom("banks").selectAll().where("id", "=", id).executeTakeFirst();
      return row && bankOf(row);
    },
    list: async ({ includeInactive, after, limit }) => {
      let query = db.query.selectFrom("banks").selectAll().where("id", ">", after).orderBy("id").limit(limit);
      if (!includeInactive) query = query.where("status", "<>", "inactive");
      return (await query.execute()).map(bankOf);
    },
    save: (id, decide) =>
      inTransaction(db, async (tx) => {
        // The row may not exist yet: two registrations of one new id meet here.
        await lockName(tx, `bank:${id}`);
        const row = await tx.selectFrom("banks").selectAll().where("id", "=", id).forUpdate().executeTakeFirst();
        const decision = decide(row && bankOf(row));
        if (row === undefined) return { bank: await insert(tx, deps, id, decision), created: true };
        return { bank: await update(tx, deps, row, decision), created: false };
      }),
  };
}

type Deps = { box: BankKeyBox; clock: Clock };

async function insert(tx: Transaction<RegistryTables>, deps: Deps, id: string, decision: BankDecision): Promise<Bank> {
  const now = deps.clock.now();
  const row = await tx
    .insertInto("banks")
    .values({
      id,
      ...factColumns(decision.facts),
      api_key_sealed: decision.apiKey === undefined ? null : deps.box.seal(id, decision.apiKey),
      status: decision.standing.status,
      held_by_operator: decision.standing.heldByOperator,
      health: "unknown",
      revision: await nextRevision(tx),
      created_at: now,
      updated_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await tx
    .insertInto("bank_probes")
    .values({ bank_id: id, circuit: "closed", failures: 0, next_probe_at: sql`now()` })
    .execute();
  return bankOf(row);
}

async function update(
  tx: Transaction<RegistryTables>,
  deps: Deps,
  row: Selectable<BankRow>,
  decision: BankDecision,
): Promise<Bank> {
  const stored = bankOf(row);
  const { standing } = decision;
  const standingChanged = stored.status !== standing.status || stored.heldByOperator !== standing.heldByOperator;
  const newKey = isNewKey(deps.box, row, decision.apiKey) ? decision.apiKey : undefined;
  if (sameFacts(stored, decision.facts) && !standingChanged && newKey === undefined) return stored;
  if (stored.apiBaseUrl !== decision.facts.apiBaseUrl || standingChanged) {
    await tx.updateTable("bank_probes").set({ next_probe_at: sql`now()` }).where("bank_id", "=", row.id).execute();
  }
  const changed = await tx
    .updateTable("banks")
    .set({
      ...factColumns(decision.facts),
      ...(newKey === undefined ? {} : { api_key_sealed: deps.box.seal(row.id, newKey) }),
      status: standing.status,
      held_by_operator: standing.heldByOperator,
      revision: await nextRevision(tx),
      updated_at: deps.clock.now(),
    })
    .where("id", "=", row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return bankOf(changed);
}

/** Sealing anew gives other bytes for the same key, so the stored one is opened and compared. */
function isNewKey(box: BankKeyBox, row: Selectable<BankRow>, apiKey: string | undefined): boolean {
  if (apiKey === undefined) return false;
  if (row.api_key_sealed === null) return true;
  try {
    return !textsEqual(box.open(row.id, row.api_key_sealed), apiKey);
  } catch {
    // Sealed under a secret that is gone: the bank's next registration heals it.
    return true;
  }
}
