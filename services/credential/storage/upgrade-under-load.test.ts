import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { migrate } from "../../platform/db/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";

const directory = new URL("./migrations/", import.meta.url);
const schema = "upgraded";
const log = { info: () => undefined, warn: () => undefined };

let database: TestDatabase;
let folder: string;
let user: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase({ schema: "credential", directory });
  folder = await mkdtemp(join(tmpdir(), "paymesh-upgrade-"));
  user = new pg.Client({ connectionString: database.adminUrl, options: `-c search_path=${schema}` });
  await user.connect();
});
afterAll(async () => {
  await user?.end();
  await database?.drop();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

/** Applies the migrations before this number, and gives the names of those that were new. */
async function migrateTo(number: string): Promise<string[]> {
  const checkout = join(folder, number);
  await mkdir(checkout);
  const names = (await readdir(directory)).filter((name) => name < number);
  await Promise.all(names.map((name) => copyFile(new URL(name, directory), join(checkout, name))));
  return (await migrate({ url: database.adminUrl, schema, directory: pathToFileURL(`${checkout}/`), log })).applied;
}

/** Of locks, for a transaction sees the activities of others as they were when it looked first. */
async function isWanted(table: string): Promise<boolean> {
  const { rows } = await user.query("select from pg_locks where relation = $1::regclass and not granted", [table]);
  return rows.length > 0;
}

it("lets whoever has a row write it and go on, though a migration wants the table", async () => {
  await migrateTo("0083");
  for (const [name, next, table] of [
    ["0083_webhooks_by_provider.sql", "0084", "webhook_events"],
    ["0085_claims_in_place.sql", "0086", "connections"],
  ] as const) {
    await user.query("begin");
    await user.query(`select from ${table} for update`);
    const migrated = migrateTo(next);
    while (!(await isWanted(table))) await pause(5);
    await user.query(`update ${table} set connector = connector`);
    await user.query("commit");
    expect(await migrated).toContain(name);
  }
});
