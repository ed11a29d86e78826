import pg from "pg";
import type { Logger } from "pino";
import { surviveLostConnections } from "../../platform/db/open-database.ts";
import { valueTypes } from "../../platform/db/value-types.ts";

const hotConnections = 4;
const connectTimeoutMs = 5_000;
const statementTimeoutMs = 5_000;

/**
 * Planner settings of the connections that run the batched statements. Joined with a batch from `unnest`, the planner
 * takes a small or freshly grown table for cheap to hash or scan, and pays for the whole of it in every statement (250 to
 * 500 microseconds a payment instead of 60 to 80). Only the index path is right here at any size, and one generic plan.
 */
const plannerSettings =
  "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan -c jit=off";

/** Where the hot pool connects. */
export interface HotPoolOptions {
  readonly url: string;
  readonly schema: string;
  readonly log: Pick<Logger, "warn">;
}

/** The pool of the batched statements. */
export type HotPool = pg.Pool;

/** Opens the pool for batched statements; whoever opened it ends it. */
export function openHotPool(options: HotPoolOptions): HotPool {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: "paymesh-router-hot",
    options: `-c search_path=${options.schema} ${plannerSettings}`,
    max: hotConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    keepAlive: true,
    types: valueTypes,
  });
  surviveLostConnections(pool, options.log);
  return pool;
}
