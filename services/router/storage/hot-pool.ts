import type pg from "pg";
import type { Logger } from "pino";
import { hotPoolOf } from "../../platform/db/hot-statements.ts";
import { surviveLostConnections } from "../../platform/db/open-database.ts";
import { valueTypes } from "../../platform/db/value-types.ts";

const connectTimeoutMs = 5_000;
const statementTimeoutMs = 5_000;

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
  const pool = hotPoolOf({
    connectionString: options.url,
    application_name: "paymesh-router-hot",
    options: `-c search_path=${options.schema}`,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    keepAlive: true,
    types: valueTypes,
  });
  surviveLostConnections(pool, options.log);
  return pool;
}
