import pg from "pg";
import type { Logger } from "pino";
import { MigrationError, type MigrationFile, readMigrationFiles } from "./migration-files.ts";
import { checkedIdentifier } from "./schema-names.ts";

export { MigrationError } from "./migration-files.ts";

const connectTimeoutMs = 5_000;
const lockWaitMs = 60_000;

/** Which migrations to apply where. */
export interface MigrateOptions {
  /** With the owner's role, not the service's: services cannot change tables. */
  readonly url: string;
  readonly schema: string;
  /** Holds `NNNN_name.sql` files and nothing else. */
  readonly directory: URL;
  readonly log: Pick<Logger, "info" | "warn">;
}

/**
 * Applies the migrations a schema has not seen, in order, each in its own transaction together with its row in
 * `<schema>.paymesh_migrations`. Safe when several run at once: an advisory lock lets one work and the others find
 * nothing left. A file that fails leaves those before it applied and nothing of itself.
 * @returns the names applied by this call, in order.
 * @throws MigrationError when an applied file was changed or removed, or a new one is numbered before an applied one.
 */
export async function migrate(options: MigrateOptions): Promise<{ applied: string[] }> {
  const schema = checkedIdentifier(options.schema);
  const files = await readMigrationFiles(options.directory);
  const client = new pg.Client({
    connectionString: options.url,
    application_name: `paymesh-migrate-${schema}`,
    connectionTimeoutMillis: connectTimeoutMs,
  });
  await client.connect();
  try {
    await client.query(`set lock_timeout = ${lockWaitMs}`);
    // The lock belongs to the session: a migrator that dies gives it back.
    await client.query("select pg_advisory_lock(hashtextextended($1, 0))", [`paymesh_migrations:${schema}`]);
    const pending = await pendingFiles(client, schema, files, options.log);
    for (const file of pending) await apply(client, schema, file);
    if (pending.length > 0) options.log.info({ schema, applied: pending.length }, "migrations applied");
    return { applied: pending.map((file) => file.name) };
  } finally {
    await client.end();
  }
}

async function pendingFiles(
  client: pg.Client,
  schema: string,
  files: readonly MigrationFile[],
  log: Pick<Logger, "warn">,
): Promise<MigrationFile[]> {
  await client.query(`create schema if not exists ${schema}`);
  await client.query(`create table if not exists ${schema}.paymesh_migrations (
    name text primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
  )`);
  const { rows } = await client.query<{ name: string; checksum: string }>(
    `select name, checksum from ${schema}.paymesh_migrations order by name`,
  );
  const applied = new Map(rows.map((row) => [row.name, row.checksum]));
  const lastKnown = files.at(-1)?.name ?? "";
  for (const name of applied.keys()) {
    if (files.some((file) => file.name === name)) continue;
    if (name < lastKnown) throw new MigrationError(`${schema}: applied migration ${name} is missing from the checkout`);
    // An older release beside a newer database during a rollback: its tables still fit, so it may start.
    log.warn({ schema, migration: name }, "database is newer than this release");
  }
  const lastApplied = rows.at(-1)?.name ?? "";
  return files.filter((file) => {
    const checksum = applied.get(file.name);
    if (checksum === undefined) {
      if (file.name < lastApplied) {
        throw new MigrationError(`${schema}: ${file.name} comes before ${lastApplied}, which is applied; renumber it`);
      }
      return true;
    }
    if (checksum !== file.checksum) {
      throw new MigrationError(
        `${schema}: ${file.name} was changed after it was applied; restore it and add a new one`,
      );
    }
    return false;
  });
}

async function apply(client: pg.Client, schema: string, file: MigrationFile): Promise<void> {
  await client.query("begin");
  try {
    await client.query(`set local search_path to ${schema}`);
    await client.query(file.sql);
    await client.query(`insert into ${schema}.paymesh_migrations (name, checksum) values ($1, $2)`, [
      file.name,
      file.checksum,
    ]);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    const reason = error instanceof Error ? error.message : String(error);
    throw new MigrationError(`${schema}: ${file.name} failed: ${reason}`, { cause: error });
  }
}
