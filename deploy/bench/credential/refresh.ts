import type pg from "pg";
import { type LoadResult, latencyShares } from "../http-load.ts";
import { type Measurement, measure } from "../measure.ts";
import { type RefreshWorld, type Swept, startRefreshWorld } from "./refresh-world.ts";

/** How much is measured. */
export interface RefreshSize {
  readonly few: number;
  readonly many: number;
  readonly due: number;
  readonly steadyMs: number;
}

const steadyPerSecond = 25;
const steadyProviderMs = 300;

/**
 * Measures the refresh engine: a sweep over everything that is due against a provider that answers at once, among few connections and
 * among many, and how long connections wait for theirs at a steady rate with a slow provider.
 */
export async function benchRefresh(
  size: RefreshSize,
  report: (measurement: Measurement) => void,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  const note = (measurement: Measurement): void => {
    measurements.push(measurement);
    report(measurement);
  };
  const world = await startRefreshWorld({ delayMs: 0 });
  try {
    await world.seed(size.few);
    // The first sweep meets cold caches and plans that were made for nothing.
    await sweepDue(world, size.few);
    note(await measure(`sweep of ${size.few} among ${size.few}`, world.pids, () => sweepDue(world, size.few)));
    await world.seed(size.many - size.few);
    await sweepDue(world, size.few);
    note(await measure(`sweep of ${size.due} among ${size.many}`, world.pids, () => sweepDue(world, size.due)));
  } finally {
    await world.stop();
  }
  note(await benchSteady(size));
  return measurements;
}

async function benchSteady(size: RefreshSize): Promise<Measurement> {
  const world = await startRefreshWorld({ delayMs: steadyProviderMs });
  try {
    const count = (size.steadyMs / 1000) * steadyPerSecond;
    await world.seed(count);
    return await measure(
      `refresh, steady ${steadyPerSecond}/s, provider ${steadyProviderMs} ms`,
      world.pids,
      async () => {
        await world.pool.query(
          `update connections set refresh_due_at = now() + place * make_interval(secs => 1.0 / $1)
           from (select connection_id, row_number() over () as place from connections) as line
           where connections.connection_id = line.connection_id`,
          [steadyPerSecond],
        );
        const { rows } = await world.pool.query("select connection_id, refresh_due_at from connections");
        const swept = await world.run(size.steadyMs + 5_000);
        const due = new Map<string, Date>(rows.map((row) => [row.connection_id, row.refresh_due_at]));
        return await loadOf(
          world.pool,
          swept,
          (row) => row.at.getTime() - (due.get(row.connection_id)?.getTime() ?? 0),
        );
      },
    );
  } finally {
    await world.stop();
  }
}

/** Makes so many connections due, taken from anywhere, and sweeps them. */
async function sweepDue(world: RefreshWorld, count: number): Promise<LoadResult> {
  await world.pool.query("truncate audit_entries");
  await world.pool.query("update audit_chains set head_sequence = 0");
  await world.pool.query(
    `update connections set refresh_due_at = now() - random() * interval '1 hour'
     where connection_id in (select connection_id from connections order by connection_id limit $1)`,
    [count],
  );
  await world.pool.query("checkpoint");
  const swept = await world.sweep();
  return await loadOf(world.pool, swept, (row) => row.duration_ms);
}

interface RefreshRow {
  readonly connection_id: string;
  readonly at: Date;
  readonly outcome: string;
  readonly duration_ms: number;
}

async function loadOf(pool: pg.Pool, swept: Swept, latencyMs: (row: RefreshRow) => number): Promise<LoadResult> {
  const { rows } = await pool.query<RefreshRow>(
    "select connection_id, at, outcome, duration_ms from audit_entries where action = 'token_refresh'",
  );
  const wrong = rows.filter((row) => row.outcome !== "ok");
  return {
    count: swept.count,
    wrong: wrong.length,
    firstWrong: wrong[0]?.outcome,
    seconds: swept.seconds,
    ...latencyShares(rows.map(latencyMs)),
  };
}
