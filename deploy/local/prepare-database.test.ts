import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { setUp } from "../../services/platform/testing/set-up.ts";
import { openLocalSecrets } from "./local-secrets.ts";
import { DatabaseUnusableError, prepareDatabase } from "./prepare-database.ts";
import { createThrowawayDatabase, rowsAt, type ThrowawayDatabase } from "./throwaway-database.ts";
import { choosePlans } from "./world.ts";

let database: ThrowawayDatabase;
let directory: string;

setUp(async () => {
  database = await createThrowawayDatabase(process.env["PAYMESH_TEST_DATABASE_URL"] ?? "");
  directory = await mkdtemp(path.join(tmpdir(), "paymesh-prepare-"));
  return async () => {
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  };
});

const secretsOf = (name: string) => path.join(directory, name, "secrets.json");

/** Makes the database ready for the installation of this name; the Registry's address of it. */
async function prepare(name: string): Promise<string> {
  const urlFor = await prepareDatabase({
    adminUrl: database.url,
    plans: choosePlans(["registry"]),
    secrets: openLocalSecrets(secretsOf(name)),
    rolePrefix: `${database.name}_`,
  });
  return urlFor("registry");
}

it("refuses a database with another installation's records in one line, and takes nothing from their owner", async () => {
  const owner = await prepare("owner");
  const refused = await prepare("stranger").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(DatabaseUnusableError);
  const { host, pathname } = new URL(database.url);
  expect(String(refused)).toMatch(
    `${host}${pathname} holds the records of another installation, which the keys here do not open: set DATABASE_URL`,
  );
  expect(String(refused)).not.toMatch(/\n/);
  expect(await rowsAt(owner, "select 1 as opens")).toEqual([{ opens: 1 }]);
  expect(await prepare("owner")).toBe(owner);
});

it("knows its own database of before there were marks, where new keys find another's", async () => {
  await prepare("owner");
  writeFileSync(secretsOf("owner"), withoutMarks(readFileSync(secretsOf("owner"), "utf8")));
  await rowsAt(database.url, "comment on schema registry is null");
  await expect(prepare("stranger")).rejects.toThrow("holds the records of another installation");
  await prepare("owner");
  await expect(prepare("stranger")).rejects.toThrow("holds the records of another installation");
  const mark = "select obj_description('registry'::regnamespace) as mark";
  const { id } = openLocalSecrets(secretsOf("owner")).installation;
  expect(await rowsAt(database.url, mark)).toEqual([{ mark: `paymesh installation ${id}` }]);
});

/** The file as it was written before installations had ids. */
function withoutMarks(text: string): string {
  const entries = Object.entries(JSON.parse(text) as Record<string, string>); // written by openLocalSecrets
  return JSON.stringify(Object.fromEntries(entries.filter(([name]) => !name.startsWith("installation."))));
}
