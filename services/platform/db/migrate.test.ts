import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../testing/postgres.ts";
import { MigrationError, migrate } from "./migrate.ts";
import { provisionDatabase } from "./provision.ts";

let database: TestDatabase;
let folder: string;
let schema: string;
let counter = 0;

beforeAll(async () => {
  database = await createTestDatabase({
    schema: "counting",
    directory: new URL("./test-migrations/", import.meta.url),
  });
});
afterAll(() => database.drop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "paymesh-migrations-"));
  counter += 1;
  schema = `migrated_${counter}`;
});
afterEach(() => rm(folder, { recursive: true }));

const log = { info: vi.fn(), warn: vi.fn() };

function run() {
  return migrate({ url: database.adminUrl, schema, directory: pathToFileURL(folder), log });
}

function addFile(name: string, sql: string): Promise<void> {
  return writeFile(join(folder, name), sql);
}

async function query(text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  const { rows } = await client.query(text).finally(() => client.end());
  return rows;
}

it("applies new files in order, once", async () => {
  await addFile("0002_fill.sql", "insert into things values (1); insert into things values (2)");
  await addFile("0001_create_things.sql", "create table things (id int)");
  expect(await run()).toEqual({ applied: ["0001_create_things.sql", "0002_fill.sql"] });
  expect(await run()).toEqual({ applied: [] });
  expect(await query(`select id from ${schema}.things order by id`)).toEqual([{ id: 1 }, { id: 2 }]);
});

it("refuses to go on when an applied file was changed", async () => {
  await addFile("0001_create_things.sql", "create table things (id int)");
  await run();
  await addFile("0001_create_things.sql", "create table things (id bigint)");
  await expect(run()).rejects.toThrow("0001_create_things.sql was changed after it was applied");
});

it("does not count line ends as a change", async () => {
  await addFile("0001_create_things.sql", "create table things (\nid int)");
  await run();
  await addFile("0001_create_things.sql", "create table things (\r\nid int)");
  expect(await run()).toEqual({ applied: [] });
});

it("refuses a file numbered before an applied one, a missing one and a misnamed one", async () => {
  await addFile("0002_create_things.sql", "create table things (id int)");
  await addFile("0003_more.sql", "create table more (id int)");
  await run();
  await addFile("0001_late.sql", "create table late (id int)");
  await expect(run()).rejects.toThrow(MigrationError);
  await rm(join(folder, "0001_late.sql"));
  await rm(join(folder, "0002_create_things.sql"));
  await expect(run()).rejects.toThrow("missing from the checkout");
  await addFile("notes.txt", "");
  await expect(run()).rejects.toThrow("is not named NNNN_name.sql");
});

it("leaves nothing of a file that fails and keeps those before it", async () => {
  await addFile("0001_create_things.sql", "create table things (id int)");
  await addFile("0002_broken.sql", "create table half (id int); insert into nowhere values (1)");
  await expect(run()).rejects.toThrow("0002_broken.sql failed");
  expect(await query(`select tablename from pg_tables where schemaname = '${schema}' order by 1`)).toEqual([
    { tablename: "paymesh_migrations" },
    { tablename: "things" },
  ]);
});

it("applies each file once when two migrators run at once", async () => {
  await addFile("0001_create_things.sql", "create table things (id int); select pg_sleep(0.1)");
  await addFile("0002_fill.sql", "insert into things values (1)");
  const results = await Promise.all([run(), run(), run()]);
  expect(results.flatMap((result) => result.applied)).toEqual(["0001_create_things.sql", "0002_fill.sql"]);
  expect(await query(`select count(*)::int as n from ${schema}.things`)).toEqual([{ n: 1 }]);
});

it("starts an older release beside a newer database, with a warning", async () => {
  await addFile("0001_create_things.sql", "create table things (id int)");
  await addFile("0002_more.sql", "create table more (id int)");
  await run();
  await rm(join(folder, "0002_more.sql"));
  expect(await run()).toEqual({ applied: [] });
  expect(log.warn).toHaveBeenCalledWith(expect.objectContaining({ migration: "0002_more.sql" }), expect.any(String));
});

it("gives each service its own rows only, also when provisioning runs twice at once", async () => {
  await addFile("0001_create_things.sql", "create table things (id int)");
  const other = `${schema}_other`;
  const password = new URL(database.adminUrl).password;
  const provision = () =>
    provisionDatabase({
      adminUrl: database.adminUrl,
      services: [
        { schema, role: schema, password },
        { schema: other, role: other, password },
      ],
    });
  await Promise.all([provision(), provision()]);
  await run();
  const url = new URL(database.adminUrl);
  url.username = schema;
  const own = new pg.Client({ connectionString: url.href });
  await own.connect();
  await own.query(`insert into ${schema}.things values (1)`);
  url.username = other;
  const stranger = new pg.Client({ connectionString: url.href });
  await stranger.connect();
  await expect(stranger.query(`select * from ${schema}.things`)).rejects.toThrow("permission denied");
  await Promise.all([own.end(), stranger.end()]);
});
