import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dataDirectoryOf } from "./data-directory.ts";
import { openLocalSecrets } from "./local-secrets.ts";
import { ensureMasterKeyFile, masterKeyFile } from "./operator-environment.ts";
import { prepareDatabase } from "./prepare-database.ts";
import { resetWorld } from "./reset.ts";
import { createThrowawayDatabase, rowsAt, type ThrowawayDatabase } from "./throwaway-database.ts";
import { choosePlans } from "./world.ts";

let directory: string;
let database: ThrowawayDatabase;

beforeAll(async () => {
  database = await createThrowawayDatabase(process.env["PAYMESH_TEST_DATABASE_URL"] ?? "");
  directory = await mkdtemp(path.join(tmpdir(), "paymesh-reset-"));
});
afterAll(async () => {
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

const secretsFile = () => path.join(directory, "secrets.json");

/** Makes ready what a start makes ready before its programs run; the wallet's address of the database. */
async function prepare(): Promise<string> {
  const secrets = openLocalSecrets(secretsFile());
  ensureMasterKeyFile(directory, secrets);
  const plans = choosePlans(["registry", "wallet"]);
  const urlFor = await prepareDatabase({
    adminUrl: database.url,
    plans,
    secrets,
    rolePrefix: `${database.name}_`,
  });
  return urlFor("wallet");
}

it("forgets data, secrets and keys, and what starts after it finds an empty world with passwords of its own", async () => {
  const before = await prepare();
  await rowsAt(before, "insert into wallet.web_sessions select * from wallet.web_sessions");
  await rowsAt(database.url, "create table wallet.kept_by_nobody ()");
  await resetWorld(directory, database.url);
  const left = "select nspname from pg_namespace where nspname in ('registry', 'wallet', 'wallet_jobs')";
  expect(await rowsAt(database.url, left)).toEqual([]);
  expect([secretsFile(), masterKeyFile(directory)].filter(existsSync)).toEqual([]);

  const after = await prepare();
  expect(after).not.toBe(before);
  expect(await rowsAt(after, "select count(*)::int as users from wallet.users")).toEqual([{ users: 0 }]);
  await expect(rowsAt(before, "select 1")).rejects.toThrow("password authentication failed");
  expect(await rowsAt(database.url, "select 1 from pg_tables where tablename = 'kept_by_nobody'")).toEqual([]);
});

it("removes the embedded database of the secrets here, and no other that lies beside it", async () => {
  const own = dataDirectoryOf(openLocalSecrets(secretsFile()).installation.dataFolder);
  const other = `${own}-of-another`;
  for (const cluster of [own, other].map((each) => path.join(each, "cluster"))) {
    await mkdir(cluster, { recursive: true });
    await writeFile(path.join(cluster, "PG_VERSION"), "18\n");
  }
  try {
    await resetWorld(directory, undefined);
    expect([own, other, secretsFile()].map(existsSync)).toEqual([false, true, false]);
    await resetWorld(directory, undefined);
    expect(existsSync(other)).toBe(true);
  } finally {
    for (const each of [own, other]) await rm(each, { recursive: true, force: true });
  }
});
