import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Logger } from "pino";
import { hotConnectionsOf, hotPoolOf, type RunHot, runHotOn } from "./hot-statements.ts";
import { jobsSchemaOf } from "./schema-names.ts";
import { valueTypes } from "./value-types.ts";

const poolSizeLimits = { min: 2, max: 100, otherwise: 14 };
const connectTimeoutMs = 5_000;
const idleConnectionMs = 30_000;
const idleInTransactionMs = 15_000;
const readyTimeoutMs = 2_000;

/** How one service reaches its own schema. */
export interface DatabaseOptions {
  /** `postgres://role:password@host:port/database`, with the service's own role. */
  readonly url: string;
  /** The schema unqualified names mean; `<schema>_jobs` follows it for the job queue. */
  readonly schema: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /**
   * Connections at most, 2 to 100, 14 when absent. A third of them, four at most, are kept for hot statements: of 14 there are 10
   * for everything else.
   */
  readonly poolSizeMax?: number;
  /** Server-side limit of one statement; 5000 when absent. A longer one fails with 57014. */
  readonly statementTimeoutMs?: number;
  readonly log: Pick<Logger, "warn">;
}

/** A pool of connections to one schema. Whoever opened it closes it. */
export interface Database<Tables> {
  /** For named statements that the planner may plan as it likes, and for transactions without the query builder. */
  readonly pool: pg.Pool;
  readonly query: Kysely<Tables>;
  /** For hot statements that stand by themselves, on connections of their own, which plan by index. */
  readonly hot: RunHot;
  /** The connections of `hot`, for statements that need more of a pool than to be run. */
  readonly hotPool: pg.Pool;
  /** Whether the server answers a trivial query within two seconds. Never throws. */
  isReady(): Promise<boolean>;
  /** Waits for the queries in flight, then closes. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * Opens a pool; no connection is made before the first query. int8 arrives as `bigint`, timestamptz as `Date`, numeric
 * as text. A connection that breaks while idle is logged and replaced; a query on a broken one rejects.
 * @throws RangeError when the pool size is not 2 to 100.
 */
export function openDatabase<Tables>(options: DatabaseOptions): Database<Tables> {
  const { min, max, otherwise } = poolSizeLimits;
  const { poolSizeMax = otherwise } = options;
  if (!Number.isInteger(poolSizeMax) || poolSizeMax < min || poolSizeMax > max) {
    throw new RangeError(`pool size ${poolSizeMax} must be ${min}..${max}`);
  }
  const settings: pg.PoolConfig = {
    connectionString: options.url,
    application_name: options.applicationName,
    options: `-c search_path=${options.schema},${jobsSchemaOf(options.schema)}`,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: idleConnectionMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    statement_timeout: options.statementTimeoutMs ?? 5_000,
    keepAlive: true,
    types: valueTypes,
  };
  const hotConnections = hotConnectionsOf(poolSizeMax);
  const pool = new pg.Pool({ ...settings, max: poolSizeMax - hotConnections });
  const hotPool = hotPoolOf({ ...settings, max: hotConnections });
  for (const one of [pool, hotPool]) surviveLostConnections(one, options.log);
  const query = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  let closing: Promise<void> | undefined;
  return {
    pool,
    query,
    hot: runHotOn(hotPool),
    hotPool,
    isReady: () => answersInTime(pool),
    close: () => {
      closing ??= closeAll(query, [pool, hotPool]);
      return closing;
    },
  };
}

/**
 * pg emits "error" on the pool for an idle connection and on the client for one in use; without a listener either ends
 * the process when the server restarts. The statement in flight, or the next one, rejects by itself.
 */
export function surviveLostConnections(pool: pg.Pool, log: Pick<Logger, "warn">): void {
  pool.on("error", (error) => log.warn({ err: error }, "idle database connection lost"));
  pool.on("connect", (client) => {
    client.on("error", (error) => log.warn({ err: error }, "database connection lost"));
  });
}

async function closeAll(query: { destroy(): Promise<void> }, pools: readonly pg.Pool[]): Promise<void> {
  await query.destroy();
  // Kysely ends only a pool that it has used.
  for (const pool of pools) if (!pool.ending) await pool.end();
}

async function answersInTime(pool: pg.Pool): Promise<boolean> {
  const timeout = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => timeout.resolve(false), readyTimeoutMs);
  const answer = pool.query("select 1").then(
    () => true,
    () => false,
  );
  const ready = await Promise.race([answer, timeout.promise]);
  clearTimeout(timer);
  return ready;
}
