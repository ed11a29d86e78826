import pg from "pg";
import { withArrayLiterals } from "./array-literal.ts";

/** More gain nothing: batches gather while so many statements are in flight. */
const connectionsMax = 4;

/**
 * Planner settings of the connections of hot statements. A named statement keeps the plan of the day it was made: one that scans a table
 * of ten rows is still used when there are a million. Joined with a batch from `unnest`, the planner takes a small or freshly grown table for
 * cheap to hash or scan, and pays for the whole of it in every statement (250 to 500 microseconds a payment instead of 60 to 80). Only the
 * path by index is right at any size.
 */
const plannerSettings =
  "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off -c jit=off";

/**
 * A statement that every call of some kind makes: parsed and planned once a connection, which is most of what a small statement costs.
 * It finds its rows by index, and names its columns: a star would fail once a column is added while we run.
 */
export interface HotStatement {
  /** Of this text alone, at most 63 characters. */
  readonly name: string;
  readonly text: string;
}

/** Runs a hot statement by itself; resolves with its rows once it is committed. */
export type RunHot = <Row>(statement: HotStatement, values: readonly unknown[]) => Promise<readonly Row[]>;

/** How many of a process's connections are for its hot statements: a third, one at least and four at most. */
export function hotConnectionsOf(poolSizeMax: number): number {
  return Math.min(connectionsMax, Math.max(1, Math.floor(poolSizeMax / 3)));
}

/** Makes the pool of hot statements from these settings; no connection is made before the first. */
export function hotPoolOf(settings: pg.PoolConfig): pg.Pool {
  return new pg.Pool({ ...settings, options: `${settings.options ?? ""} ${plannerSettings}` });
}

/** Runs hot statements on their pool. */
export function runHotOn(pool: pg.Pool): RunHot {
  return (statement, values) => queryHot(pool, statement, values);
}

/** Runs a hot statement on a connection that its caller holds, or on any of the pool's. */
export async function queryHot<Row>(
  on: pg.Pool | pg.PoolClient,
  statement: HotStatement,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  const { name, text } = statement;
  // The caller says what the rows of his own text are.
  return (await on.query({ name, text, values: withArrayLiterals(values) })).rows as Row[];
}
