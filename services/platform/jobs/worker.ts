import { run, type TaskList } from "graphile-worker";
import { sql, type Transaction } from "kysely";
import pg from "pg";
import type { Logger } from "pino";
import { surviveLostConnections } from "../db/open-database.ts";
import { jobsSchemaOf } from "../db/schema-names.ts";
import { queueLogger } from "./queue-logger.ts";

const concurrencyDefault = 4;
/** One connection listens for new jobs, one serves the queue itself. */
const connectionsBesideJobs = 2;
const pollIntervalMs = 1_000;
const attemptsDefault = 25;

/** What a task may use besides its payload. */
export interface JobContext {
  readonly jobId: string;
  /** 1 the first time. */
  readonly attempt: number;
  readonly attemptsMax: number;
  /** Aborted when the worker is told to stop. */
  readonly signal: AbortSignal;
}

/** Does one job. A rejection puts it back with growing pauses until its attempts are used up. It may run more than once. */
export type Task = (payload: unknown, context: JobContext) => Promise<void>;

/** How one replica works its service's queue. */
export interface StartJobsOptions {
  readonly url: string;
  /** The service's schema; the queue lies in `<schema>_jobs`, made by `migrateJobs`. */
  readonly schema: string;
  readonly tasks: Readonly<Record<string, Task>>;
  /** graphile-worker's crontab text, UTC; each time runs once over all replicas. */
  readonly crontab?: string;
  readonly log: Logger;
  /** Jobs at a time, 4 when absent. */
  readonly concurrency?: number;
}

/** Connections that `startJobs` opens at most, when no other number of jobs at a time is asked for. */
export const jobConnectionsMax = concurrencyDefault + connectionsBesideJobs;

/**
 * Works the queue until stopped; every replica may. `stop()` takes no new job, aborts the tasks' signals and waits for them.
 * @throws Error when the queue's schema is missing or older than this release.
 */
export async function startJobs(options: StartJobsOptions): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController();
  const concurrency = options.concurrency ?? concurrencyDefault;
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: `${options.schema}-jobs`,
    max: concurrency + connectionsBesideJobs,
    keepAlive: true,
  });
  surviveLostConnections(pool, options.log);
  const runner = await run({
    pgPool: pool,
    schema: jobsSchemaOf(options.schema),
    taskList: taskList(options, stopping.signal),
    crontab: options.crontab ?? "",
    concurrency,
    pollInterval: pollIntervalMs,
    noHandleSignals: true,
    logger: queueLogger(options.log),
  }).catch(async (error: unknown) => {
    await pool.end();
    throw error;
  });
  let stopped: Promise<void> | undefined;
  return {
    stop: () => {
      stopped ??= (async () => {
        stopping.abort();
        await runner.stop();
        await pool.end();
      })();
      return stopped;
    },
  };
}

function taskList(options: StartJobsOptions, signal: AbortSignal): TaskList {
  const entries = Object.entries(options.tasks).map(([name, task]) => [
    name,
    async (payload: unknown, queue: { job: { id: string; attempts: number; max_attempts: number } }) => {
      const { id, attempts, max_attempts } = queue.job;
      await task(payload, { jobId: id, attempt: attempts, attemptsMax: max_attempts, signal });
    },
  ]);
  return Object.fromEntries(entries);
}

/** When and how often a job runs. */
export interface AddJobOptions {
  /** A job waiting under the same key is replaced; one already running is not touched and the new one runs after it. */
  readonly jobKey?: string;
  /** Now when absent. */
  readonly runAt?: Date;
  /** 25 when absent. */
  readonly maxAttempts?: number;
}

/**
 * Adds a job in the caller's transaction: it exists if and only if that commits. `payload` must be plain JSON without
 * secrets, since it lies in the table and appears in no audit.
 */
export async function addJob<Tables>(
  tx: Transaction<Tables>,
  task: string,
  payload: unknown,
  options: AddJobOptions = {},
): Promise<void> {
  // Unqualified: the search path of `openDatabase` ends in the service's own queue.
  await sql`select add_job(${task}::text, payload => ${JSON.stringify(payload)}::json,
    run_at => ${options.runAt ?? null}::timestamptz, job_key => ${options.jobKey ?? null}::text,
    max_attempts => ${options.maxAttempts ?? attemptsDefault}::int)`.execute(tx);
}
