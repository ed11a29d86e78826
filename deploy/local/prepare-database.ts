import pg from "pg";
import { migrate } from "../../services/platform/db/migrate.ts";
import { provisionDatabase } from "../../services/platform/db/provision.ts";
import { ForeignSchemaError } from "../../services/platform/db/schema-owner.ts";
import { migrateJobs } from "../../services/platform/jobs/migrate-jobs.ts";
import { createLogger } from "../../services/platform/telemetry/logger.ts";
import { type LocalSecrets, namelessDataFolder } from "./local-secrets.ts";
import type { ServiceName, ServicePlan } from "./world.ts";

/** The database cannot be used; the message is one line for a person and holds no password. */
export class DatabaseUnusableError extends Error {}

const connectTimeoutMs = 5_000;
const log = createLogger({ service: "migrations", level: "warn" });

/** Options of `prepareDatabase`. */
export interface PrepareDatabaseOptions {
  /** A role that may create roles and schemas. */
  readonly adminUrl: string;
  readonly plans: readonly ServicePlan[];
  readonly secrets: LocalSecrets;
  /** Roles belong to the whole server, so a second world on one server needs names of its own. */
  readonly rolePrefix: string;
}

/**
 * Gives every program its role, schema and tables. Repeating it changes nothing. Returns the address of each program's own role.
 * Throws DatabaseUnusableError when the server cannot be reached or the database is another installation's, and MigrationError when a migration fails.
 */
export async function prepareDatabase(options: PrepareDatabaseOptions): Promise<(service: ServiceName) => string> {
  await checkServer(options.adminUrl);
  const withDatabase = options.plans.flatMap((plan) =>
    plan.database === undefined ? [] : [{ ...plan, database: plan.database }],
  );
  const roleOf = (schema: string): string => `${options.rolePrefix}${schema}`;
  const passwordOf = (name: string): string => options.secrets.of(`${name}.database-password`);
  const { id, dataFolder } = options.secrets.installation;
  await provisionDatabase({
    adminUrl: options.adminUrl,
    services: withDatabase.map(({ name, database }) => ({
      schema: database.schema,
      role: roleOf(database.schema),
      password: passwordOf(name),
    })),
    owner: { id, takesUnmarked: dataFolder === namelessDataFolder },
  }).catch((error: unknown) => {
    throw error instanceof ForeignSchemaError ? foreignDatabase(options.adminUrl, error) : error;
  });
  // All to their end before a failure is told: its hearer stops the server, and the others would lose theirs.
  const outcomes = await Promise.allSettled(
    withDatabase.map(async ({ database }) => {
      const { schema, migrations, hasJobs } = database;
      await migrate({ url: options.adminUrl, schema, directory: migrations, log });
      if (hasJobs) await migrateJobs({ url: options.adminUrl, schema, role: roleOf(schema) });
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return (service) => {
    const plan = withDatabase.find((each) => each.name === service);
    if (plan === undefined) throw new Error(`${service} has no database`);
    const url = new URL(options.adminUrl);
    url.username = roleOf(plan.database.schema);
    url.password = passwordOf(service);
    return url.href;
  };
}

/** Drops the schemas of these programs with everything in them. */
export async function wipeDatabase(adminUrl: string, plans: readonly ServicePlan[]): Promise<void> {
  await checkServer(adminUrl);
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: connectTimeoutMs });
  await client.connect();
  try {
    for (const { database } of plans) {
      if (database === undefined) continue;
      for (const schema of [database.schema, `${database.schema}_jobs`]) {
        await client.query(`drop schema if exists ${client.escapeIdentifier(schema)} cascade`);
      }
    }
  } finally {
    await client.end();
  }
}

function foreignDatabase(adminUrl: string, cause: ForeignSchemaError): DatabaseUnusableError {
  const { host, pathname } = new URL(adminUrl);
  return new DatabaseUnusableError(
    `${host}${pathname} holds the records of another installation, which the keys here do not open: set DATABASE_URL to a database of this one's own, or forget those records with npm start -- --reset`,
    { cause },
  );
}

async function checkServer(adminUrl: string): Promise<void> {
  if (!URL.canParse(adminUrl) || !/^postgres(ql)?:$/.test(new URL(adminUrl).protocol)) {
    throw new DatabaseUnusableError("DATABASE_URL is not of the form postgres://user:password@host:port/database");
  }
  const { host, pathname } = new URL(adminUrl);
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: connectTimeoutMs });
  try {
    await client.connect();
    const { rows } = await client.query<{ may: boolean }>(
      `select (rolsuper or rolcreaterole) and has_database_privilege(current_database(), 'CREATE') as may
         from pg_roles where rolname = current_user`,
    );
    if (rows[0]?.may !== true) {
      throw new DatabaseUnusableError(
        `DATABASE_URL: the role may not create roles and schemas in ${host}${pathname}; use one that may`,
      );
    }
  } catch (cause) {
    if (cause instanceof DatabaseUnusableError) throw cause;
    throw new DatabaseUnusableError(`DATABASE_URL: ${host}${pathname} cannot be used: ${reasonOf(cause)}`, { cause });
  } finally {
    await client.end().catch(() => undefined); // never connected
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  return cause instanceof Error ? cause.message : String(cause);
}
