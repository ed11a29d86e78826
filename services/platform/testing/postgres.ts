import { createHash, randomBytes } from "node:crypto";
import pg from "pg";
import pino from "pino";
import { migrate } from "../db/migrate.ts";
import { readMigrationFiles } from "../db/migration-files.ts";
import { type Database, openDatabase } from "../db/open-database.ts";
import { provisionDatabase } from "../db/provision.ts";
import { checkedIdentifier } from "../db/schema-names.ts";
import { sqlStateOf } from "../db/transaction.ts";
import { migrateJobs } from "../jobs/migrate-jobs.ts";

const objectInUse = "55006";
const cloneAttemptsMax = 50;
const clonePauseMs = 100;
const silent = pino({ level: "silent" });

/** What a test's database holds. */
export interface TestDatabaseOptions {
  /** Several may share one database: call with one schema each when they must not. */
  readonly schema: string;
  /** The service's `storage/migrations/`. */
  readonly directory: URL;
  /** Whether the job queue's schema is wanted too. */
  readonly jobs?: boolean;
}

/** A database of one test file. */
export interface TestDatabase {
  /** With the service's own role, as in production: it may not change tables. */
  readonly url: string;
  /** With the superuser, for what a service cannot do: cutting connections, changing tables. */
  readonly adminUrl: string;
  readonly schema: string;
  /** A new pool; `drop()` closes those still open. */
  open<Tables>(options?: { poolSizeMax?: number; statementTimeoutMs?: number }): Database<Tables>;
  /** A new connection of the superuser's, in the schema; `drop()` ends it. */
  openAdmin(): Promise<pg.Client>;
  /** Ends every other connection to this database, as a restarted server does. */
  cutConnections(): Promise<void>;
  /** Takes the database away: every connection to it ends, and none is made before the answer is called. */
  takeAway(): Promise<() => Promise<void>>;
  drop(): Promise<void>;
}

/**
 * Makes a database of its own, migrated as production is: cloned from a template that the first caller with these
 * migrations makes. Takes some 50 ms after the first.
 */
export async function createTestDatabase(options: TestDatabaseOptions): Promise<TestDatabase> {
  const server = process.env["PAYMESH_TEST_DATABASE_URL"];
  if (!server) throw new Error("PAYMESH_TEST_DATABASE_URL is not set: run the tests by vitest of this repository");
  const schema = checkedIdentifier(options.schema);
  const role = `${schema}_service`;
  const name = `test_${schema}_${randomBytes(8).toString("hex")}`;
  await withClient(server, async (client) => cloneTemplate(client, { ...options, server, role, name }));
  const adminUrl = addressOf(server, { database: name });
  const url = addressOf(server, { database: name, user: role });
  const opened = new Set<Database<unknown>>();
  const admins: pg.Client[] = [];
  const cutConnections = () =>
    withClient(server, async (client) => {
      await client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [name]);
    });
  return {
    url,
    adminUrl,
    schema,
    open: <Tables>(pool = {}) => {
      const db = openDatabase<Tables>({ url, schema, applicationName: `test-${schema}`, log: silent, ...pool });
      opened.add(db as Database<unknown>); // only to be closed
      return db;
    },
    openAdmin: async () => {
      const admin = new pg.Client({ connectionString: adminUrl, options: `-c search_path=${schema}` });
      admins.push(admin);
      await admin.connect();
      return admin;
    },
    cutConnections,
    takeAway: async () => {
      const allow = (isAllowed: boolean) =>
        withClient(server, (client) => client.query(`alter database ${name} allow_connections ${isAllowed}`));
      await allow(false);
      await cutConnections();
      return () => allow(true);
    },
    drop: async () => {
      for (const db of opened) await db.close();
      for (const admin of admins) await admin.end();
      await withClient(server, (client) => client.query(`drop database if exists ${name} with (force)`));
    },
  };
}

type Clone = TestDatabaseOptions & { server: string; role: string; name: string };

async function cloneTemplate(client: pg.Client, clone: Clone): Promise<void> {
  const files = await readMigrationFiles(clone.directory);
  const contents = createHash("sha256").update(files.map((file) => file.name + file.checksum).join());
  const template = `template_${clone.schema}_${clone.jobs ? "jobs_" : ""}${contents.digest("hex").slice(0, 12)}`;
  // One worker builds a template while the others wait; the lock is given up before cloning, which may run in parallel.
  await client.query("select pg_advisory_lock(hashtextextended($1, 0))", [template]);
  try {
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [template]);
    if (rowCount === 0) await buildTemplate(client, template, clone);
  } finally {
    await client.query("select pg_advisory_unlock(hashtextextended($1, 0))", [template]);
  }
  await createFrom(client, clone.name, template);
}

async function buildTemplate(client: pg.Client, template: string, clone: Clone): Promise<void> {
  const building = `building_${randomBytes(8).toString("hex")}`;
  await client.query(`create database ${building}`);
  const adminUrl = addressOf(clone.server, { database: building });
  const { schema, role } = clone;
  await provisionDatabase({ adminUrl, services: [{ schema, role, password: new URL(clone.server).password }] });
  await migrate({ url: adminUrl, schema, directory: clone.directory, log: silent });
  if (clone.jobs) await migrateJobs({ url: adminUrl, schema, role });
  // Named as a template only when complete, so that a killed run leaves nothing half-made to use.
  await retryWhileInUse(() => client.query(`alter database ${building} rename to ${template}`));
}

function createFrom(client: pg.Client, name: string, template: string): Promise<void> {
  return retryWhileInUse(() => client.query(`create database ${name} template ${template}`));
}

/** A session that has just ended still counts for a moment. */
async function retryWhileInUse(statement: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await statement();
      return;
    } catch (error) {
      if (sqlStateOf(error) !== objectInUse || attempt === cloneAttemptsMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, clonePauseMs));
    }
  }
}

async function withClient(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function addressOf(server: string, change: { database: string; user?: string }): string {
  const url = new URL(server);
  url.pathname = `/${change.database}`;
  if (change.user) url.username = change.user;
  return url.href;
}
