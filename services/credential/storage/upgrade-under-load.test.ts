import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { migrate } from "../../platform/db/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";

const directory = new URL("./migrations/", import.meta.url);
const log = { info: () => undefined, warn: () => undefined };

let database: TestDatabase;
let attempts = 0;
beforeAll(async () => {
  database = await createTestDatabase({ schema: "credential", directory });
});
afterAll(() => database?.drop());

/** Applies the migrations before this number, and gives the names of those that were new. */
async function migrateTo(number: string, schema: string): Promise<string[]> {
  const checkout = await mkdtemp(join(tmpdir(), "paymesh-upgrade-"));
  try {
    const names = (await readdir(directory)).filter((name) => name < number);
    await Promise.all(names.map((name) => copyFile(new URL(name, directory), join(checkout, name))));
    return (await migrate({ url: database.adminUrl, schema, directory: pathToFileURL(`${checkout}/`), log })).applied;
  } finally {
    await rm(checkout, { recursive: true });
  }
}

it("a migration that takes a queue's table lets whoever has a row of it write that and go on", async () => {
  attempts += 1;
  const schema = `upgraded_${attempts}`;
  const user = new pg.Client({ connectionString: database.adminUrl, options: `-c search_path=${schema}` });
  await user.connect();
  await migrateTo("0083", schema);
  for (const [name, next, table] of [
    ["0083_webhooks_by_provider.sql", "0084", "webhook_events"],
    ["0085_claims_in_place.sql", "0086", "connections"],
  ] as const) {
    await user.query("begin");
    await user.query(`select from ${table} for update`);
    let isOver = false;
    const migrated = migrateTo(next, schema).finally(() => {
      isOver = true;
    });
    // Of locks, for a transaction sees what others do as it was when it looked first.
    const wanting = "select from pg_locks where relation = $1::regclass and not granted";
    while (!isOver && (await user.query(wanting, [table])).rowCount === 0) await pause(5);
    await user.query(`update ${table} set connector = connector`);
    await user.query("commit");
    expect(await migrated).toContain(name);
  }
  await user.end();
});
