import { sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { BankHealth } from "../domain/bank.ts";
import type { Circuit, ProbeDecision } from "../domain/bank-circuit.ts";
import { nextRevision } from "./revision.ts";
import type { RegistryDatabase } from "./tables.ts";

/** A probe this replica has to make, until `leaseToken` lapses. */
export interface ClaimedProbe {
  readonly bankId: string;
  readonly apiBaseUrl: string;
  readonly leaseToken: string;
}

/** Which banks are to be probed, and what came of it. Due times are on the database's clock. */
export interface ProbeStore {
  /** Claims banks that are due, removed ones left out. Another replica sees them again after `leaseMs`. */
  claim(options: { limit: number; leaseMs: number }): Promise<ClaimedProbe[]>;
  /**
   * Records a probe. `decide` sees what is stored now. Writes the bank's row only when its health changed.
   * @returns the decision, or undefined when the lease had lapsed: somebody else's result counts.
   */
  record(
    claim: ClaimedProbe,
    decide: (circuit: Circuit, health: BankHealth) => ProbeDecision,
  ): Promise<(ProbeDecision & { changed: boolean }) | undefined>;
  /**
   * Lets the next probe of a bank come at once, but no sooner than `spacingMs` after the last.
   * @returns false when there is no such bank.
   */
  hasten(bankId: string, spacingMs: number): Promise<boolean>;
  /** When each of these banks was probed last. */
  lastProbes(bankIds: readonly string[]): Promise<Map<string, Date>>;
}

/** A store over the registry's schema. */
export function createProbeStore(deps: { db: RegistryDatabase }): ProbeStore {
  const { db } = deps;
  return {
    claim: (options) => claimDue(db, options),
    record: (claim, decide) => recordProbe(db, claim, decide),
    hasten: async (bankId, spacingMs) => {
      const result = await db.query
        .updateTable("bank_probes")
        .set({
          next_probe_at: sql`least(next_probe_at, greatest(now(), last_probe_at + ${`${spacingMs} ms`}::interval))`,
        })
        .where("bank_id", "=", bankId)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },
    lastProbes: async (bankIds) => {
      if (bankIds.length === 0) return new Map();
      const rows = await db.query
        .selectFrom("bank_probes")
        .select(["bank_id", "last_probe_at"])
        .where("bank_id", "in", [...bankIds])
        .execute();
      return new Map(rows.flatMap((row) => (row.last_probe_at ? [[row.bank_id, row.last_probe_at] as const] : [])));
    },
  };
}

async function claimDue(db: RegistryDatabase, options: { limit: number; leaseMs: number }): Promise<ClaimedProbe[]> {
  const { rows } = await db.pool.query<{ bank_id: string; api_base_url: string; lease_token: string }>({
    name: "registry-claim-probes",
    text: `
      with due as (
        select p.bank_id from bank_probes p join banks b on b.id = p.bank_id
        where p.next_probe_at <= now() and (p.lease_until is null or p.lease_until <= now()) and b.status <> 'inactive'
        order by p.next_probe_at limit $1
        for update of p skip locked
      )
      update bank_probes p set lease_until = now() + $2::interval, lease_token = gen_random_uuid()
      from due join banks b on b.id = due.bank_id
      where p.bank_id = due.bank_id
      returning p.bank_id, b.api_base_url, p.lease_token`,
    values: [options.limit, `${options.leaseMs} ms`],
  });
  return rows.map((row) => ({ bankId: row.bank_id, apiBaseUrl: row.api_base_url, leaseToken: row.lease_token }));
}

function recordProbe(
  db: RegistryDatabase,
  claim: ClaimedProbe,
  decide: (circuit: Circuit, health: BankHealth) => ProbeDecision,
): Promise<(ProbeDecision & { changed: boolean }) | undefined> {
  return inTransaction(db, async (tx) => {
    // The bank's row first, as in every other transaction, so that two never wait for each other crosswise.
    const bank = await tx
      .selectFrom("banks")
      .select(["health", "api_base_url"])
      .where("id", "=", claim.bankId)
      .forUpdate()
      .executeTakeFirst();
    const probe = await tx
      .selectFrom("bank_probes")
      .select(["circuit", "failures"])
      .where("bank_id", "=", claim.bankId)
      .where("lease_token", "=", claim.leaseToken)
      .forUpdate()
      .executeTakeFirst();
    if (!bank || !probe) return undefined;
    // The bank moved while it was probed: what its old address answered says nothing. It is due again already.
    const moved = bank.api_base_url !== claim.apiBaseUrl;
    const decision = decide({ state: probe.circuit, failures: probe.failures }, bank.health);
    await tx
      .updateTable("bank_probes")
      .set({
        lease_until: null,
        lease_token: null,
        ...(moved
          ? {}
          : {
              circuit: decision.circuit.state,
              failures: decision.circuit.failures,
              last_probe_at: sql`now()`,
              next_probe_at: sql`now() + ${`${decision.nextProbeInMs} ms`}::interval`,
            }),
      })
      .where("bank_id", "=", claim.bankId)
      .execute();
    if (moved) return undefined;
    const changed = decision.health !== bank.health;
    if (changed) {
      await tx
        .updateTable("banks")
        .set({ health: decision.health, revision: await nextRevision(tx) })
        .where("id", "=", claim.bankId)
        .execute();
    }
    return { ...decision, changed };
  });
}
