import { runMigrations } from "graphile-worker";
import pg from "pg";
import { grantRows } from "../db/provision.ts";
import { checkedIdentifier, jobsSchemaOf } from "../db/schema-names.ts";
import { queueLogger } from "./queue-logger.ts";

const connectTimeoutMs = 5_000;

/** Whose queue to make. */
export interface MigrateJobsOptions {
  /** With the owner's role: the queue's tables are created and changed by it alone. */
  readonly url: string;
  /** The service's schema; the queue lies in `<schema>_jobs`. */
  readonly schema: string;
  /** The service's login role, which works the queue. */
  readonly role: string;
}

/** Creates or updates the job queue of a service and lets its role work it. Repeating it is harmless, also at once. */
export async function migrateJobs(options: MigrateJobsOptions): Promise<void> {
  const schema = jobsSchemaOf(options.schema);
  const role = checkedIdentifier(options.role);
  const client = new pg.Client({ connectionString: options.url, connectionTimeoutMillis: connectTimeoutMs });
  await client.connect();
  try {
    await client.query("select pg_advisory_lock(hashtextextended($1, 0))", [`paymesh_jobs:${schema}`]);
    await runMigrations({ connectionString: options.url, schema, taskList: {}, logger: queueLogger(undefined) });
    await grantRows(client, { schema, role });
    await allowRows(client, schema, role);
  } finally {
    await client.end();
  }
}

/** The queue's tables have row level security on and no policy, which shuts out everyone but their owner. */
async function allowRows(client: pg.Client, schema: string, role: string): Promise<void> {
  const policy = `${role}_works_queue`;
  const { rows } = await client.query<{ tablename: string }>(
    `select tablename from pg_tables where schemaname = $1 and rowsecurity
      and not exists (select from pg_policies p where p.schemaname = $1 and p.tablename = pg_tables.tablename and policyname = $2)`,
    [schema, policy],
  );
  for (const { tablename } of rows) {
    const table = `${schema}.${client.escapeIdentifier(tablename)}`;
    await client.query(`create policy ${policy} on ${table} to ${role} using (true) with check (true)`);
  }
}
