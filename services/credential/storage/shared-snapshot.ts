import { setTimeout as pause } from "node:timers/promises";
import { sql } from "kysely";
import type { ZodType } from "zod";
import type { Queryable } from "./storage.ts";

const leaseSeconds = 60;
const pollMs = 100;
const waitMsMax = 5_000;
/** Counting may take up one sixtieth of one core, however much there is to count. */
const restPerWork = 60;

/** Numbers to be counted by one replica and told by all. */
export interface SharedSnapshot<T> {
  readonly name: string;
  /** How old they may be, milliseconds; older when counting takes long. */
  readonly maxAgeMs: number;
  readonly shape: ZodType<T>;
  readonly now: Date;
  count(): Promise<T>;
}

/** Numbers, and when they were counted. */
export interface Snapshot<T> {
  readonly at: Date;
  readonly numbers: T;
}

/**
 * The numbers as they were last counted while they are young enough, else counted anew, by one caller over all replicas; others are told
 * the older ones meanwhile, and wait for the first. A replica that dies over it is replaced after a minute.
 */
export async function readShared<T>(db: Queryable, snapshot: SharedSnapshot<T>): Promise<Snapshot<T>> {
  const endsAtMs = performance.now() + waitMsMax;
  for (;;) {
    const stored = await find(db, snapshot);
    if (stored !== undefined && stored.ageMs <= Math.max(snapshot.maxAgeMs, stored.tookMs * restPerWork)) return stored;
    if (await claim(db, snapshot.name)) return await countAndStore(db, snapshot);
    if (stored !== undefined) return stored;
    if (performance.now() > endsAtMs) return { at: snapshot.now, numbers: await snapshot.count() };
    await pause(pollMs);
  }
}

async function find<T>(
  db: Queryable,
  { name, shape }: SharedSnapshot<T>,
): Promise<(Snapshot<T> & { readonly ageMs: number; readonly tookMs: number }) | undefined> {
  const row = await db
    .selectFrom("statistics_snapshots")
    .select([
      "numbers",
      "told_at",
      "took_ms",
      sql<number>`(extract(epoch from clock_timestamp() - taken_at) * 1000)::float8`.as("age_ms"),
    ])
    .where("name", "=", name)
    .executeTakeFirst();
  if (row === undefined || row.told_at === null) return undefined;
  // Of another release, perhaps: then it is counted anew.
  const numbers = shape.safeParse(row.numbers);
  if (!numbers.success) return undefined;
  return { at: row.told_at, numbers: numbers.data, ageMs: row.age_ms, tookMs: row.took_ms };
}

async function claim(db: Queryable, name: string): Promise<boolean> {
  const { rows } = await sql`
    insert into statistics_snapshots as kept (name, lease_until)
    values (${name}, clock_timestamp() + make_interval(secs => ${leaseSeconds}))
    on conflict (name) do update set lease_until = excluded.lease_until
      where kept.lease_until is null or kept.lease_until < clock_timestamp()
    returning name`.execute(db);
  return rows.length > 0;
}

async function countAndStore<T>(db: Queryable, snapshot: SharedSnapshot<T>): Promise<Snapshot<T>> {
  const { name, now } = snapshot;
  const startedMs = performance.now();
  try {
    const numbers = await snapshot.count();
    const tookMs = Math.round(performance.now() - startedMs);
    await sql`update statistics_snapshots set numbers = ${JSON.stringify(numbers)}::jsonb, taken_at = clock_timestamp(),
      told_at = ${now}::timestamptz, took_ms = ${tookMs}::integer, lease_until = null where name = ${name}`.execute(db);
    return { at: now, numbers };
  } catch (error) {
    await sql`update statistics_snapshots set lease_until = null where name = ${name}`.execute(db);
    throw error;
  }
}
