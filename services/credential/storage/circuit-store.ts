import { sql } from "kysely";
import type { Queryable } from "./storage.ts";

const circuitsMax = 10_000;
const probeSeconds = 30;
const firstOpenSeconds = 5;
const openSecondsMax = 300;

/** An institution of a connector. */
export interface CircuitScope {
  readonly connector: string;
  readonly institutionId: string;
}

/** An institution that is not asked for now. */
export interface OpenCircuit extends CircuitScope {
  /** Until somebody may find out whether it answers again; 0 or less: now. By the database's clock. */
  readonly remainingMs: number;
  /** It asked to be left alone, where another does not answer. */
  readonly isLimit: boolean;
}

/** Every open circuit, at most 10,000. */
export async function listOpenCircuits(db: Queryable): Promise<OpenCircuit[]> {
  const rows = await db
    .selectFrom("refresh_circuits")
    .select([
      "connector",
      "institution_id",
      "is_limit",
      sql<number>`(extract(epoch from open_until - clock_timestamp()) * 1000)::float8`.as("remaining_ms"),
    ])
    .limit(circuitsMax)
    .execute();
  return rows.map((row) => ({
    connector: row.connector,
    institutionId: row.institution_id,
    remainingMs: row.remaining_ms,
    isLimit: row.is_limit,
  }));
}

/**
 * Opens a circuit: at each further opening in a row for twice as long as before, 5 s up to 5 min, and for `waitMs` at least where the institution
 * asked to be left alone. One that is open stays as it is, unless the institution asks to be left alone for longer.
 */
export async function openCircuit(db: Queryable, scope: CircuitScope, waitMs?: number): Promise<void> {
  const isLimit = waitMs !== undefined;
  const until = (openings: ReturnType<typeof sql>) =>
    sql<Date>`clock_timestamp() + make_interval(secs => greatest(${(waitMs ?? 0) / 1000}::float8,
      least(${firstOpenSeconds} * power(2, least(${openings}, 20) - 1), ${openSecondsMax})))`;
  const isOver = sql<boolean>`refresh_circuits.open_until <= clock_timestamp()`;
  const asksForMore = sql<boolean>`refresh_circuits.open_until < clock_timestamp()
    + make_interval(secs => ${(waitMs ?? 0) / 1000}::float8)`;
  const openings = sql<number>`refresh_circuits.openings + (${isOver})::int`;
  await db
    .insertInto("refresh_circuits")
    .values({
      connector: scope.connector,
      institution_id: scope.institutionId,
      openings: 1,
      opened_at: sql<Date>`clock_timestamp()`,
      open_until: until(sql`1`),
      is_limit: isLimit,
    })
    .onConflict((conflict) =>
      conflict
        .columns(["connector", "institution_id"])
        .doUpdateSet({
          openings,
          open_until: until(openings),
          probe_until: null,
          is_limit: isLimit,
        })
        // Whoever merely fails while it is open tells nothing new.
        .where((where) => where.or([isOver, asksForMore])),
    )
    .execute();
}

/** Takes the right to ask an institution once whose circuit has been open long enough; one caller at a time has it. */
export async function claimProbe(db: Queryable, scope: CircuitScope): Promise<boolean> {
  const result = await db
    .updateTable("refresh_circuits")
    .set({ probe_until: sql<Date>`clock_timestamp() + make_interval(secs => ${probeSeconds})` })
    .where("connector", "=", scope.connector)
    .where("institution_id", "=", scope.institutionId)
    .where(sql<boolean>`open_until <= clock_timestamp() and coalesce(probe_until <= clock_timestamp(), true)`)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Closes a circuit: the institution has answered. */
export async function closeCircuit(db: Queryable, scope: CircuitScope): Promise<void> {
  await db
    .deleteFrom("refresh_circuits")
    .where("connector", "=", scope.connector)
    .where("institution_id", "=", scope.institutionId)
    .execute();
}
