import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { configuredMasterKeys } from "../../platform/vault/configured-master-keys.ts";
import { deriveMasterKey } from "../../platform/vault/master-key.ts";
import type { MasterKeySource } from "../../platform/vault/master-key-source.ts";
import type { PlacedSecret } from "../../platform/vault/vault.ts";
import { jobActor } from "../domain/audit.ts";
import { watchMasterKeys } from "../jobs/watch-master-keys.ts";
import { verifyAudit } from "../storage/audit-verify.ts";
import { openStorage } from "../storage/open-storage.ts";
import { reportReplica } from "../storage/replica-store.ts";
import type { Storage } from "../storage/storage.ts";
import type { Tables } from "../storage/tables.ts";
import { createVaultStore } from "../storage/vault-store.ts";
import { type RunningCommand, runCommand } from "../testing/run-command.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

const secret1 = "the-first-master-key-of-this-test-0123456789";
const users = 60;
const log = { info: () => undefined, warn: () => undefined };
let database: TestDatabase;
let db: Database<Tables>;
let admin: pg.Client;
let directory: string;
let file: string;
let source: MasterKeySource;
let storage: Storage;
let secrets: PlacedSecret[];
/** Data keys and the installation's own. */
let wrappedKeys: number;

beforeEach(async () => {
  const migrations = new URL("../storage/migrations/", import.meta.url);
  database = await createTestDatabase({ schema: "credential", directory: migrations });
  db = database.open<Tables>();
  admin = await database.openAdmin();
  directory = await mkdtemp(join(tmpdir(), "paymesh-keys-"));
  file = join(directory, "master-keys");
  await writeFile(file, `1:${secret1}\n`);
  source = configuredMasterKeys({ file, wrapperOf: () => expect.unreachable() });
  storage = await openStorage({ db, masterKeys: source, log });
  secrets = [];
  for (let at = 0; at < users; at += 1) secrets.push(await sealed(`user-${at}`, `secret ${at}`));
  wrappedKeys = (await versionsInUse())[1] ?? 0;
  expect(wrappedKeys).toBeGreaterThan(users);
});
afterEach(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

async function sealed(userId: string, text: string, by: Storage = storage): Promise<PlacedSecret> {
  const owner = { tenant: "wallet", userId };
  const place = { owner, recordId: userId, provider: "bank", purpose: "access_token", recordVersion: 1 };
  return { place, sealed: await inTransaction(db, (tx) => by.vault.seal(createVaultStore(tx), place, text)) };
}

const opened = (secret: PlacedSecret, by: Storage = storage): Promise<string> =>
  by.openings.open({ ...secret, connector: "bank", operation: "test", actor: jobActor("test"), now: new Date() });

const keys = (...args: string[]): RunningCommand =>
  runCommand(["keys", ...args], {
    DATABASE_URL: database.url,
    PAYMESH_ENV: "local",
    CREDENTIAL_ENCRYPTION_KEYS_FILE: file,
  });

async function versionsInUse(): Promise<Record<number, number>> {
  const text = `select master_key_version as version, count(*)::int as count from (
    select master_key_version from data_keys union all select master_key_version from vault_installation_keys) k
    group by 1 order by 1`;
  const { rows } = await admin.query<{ version: number; count: number }>(text);
  return Object.fromEntries(rows.map((row) => [row.version, row.count]));
}

/** A start from what is configured now, as a new replica makes it, which must open every secret. */
async function expectAllOpenAnew(): Promise<void> {
  const anew = await openStorage({ db, masterKeys: source, log });
  for (const [at, secret] of secrets.entries()) expect(await opened(secret, anew)).toBe(`secret ${at}`);
  expect(anew.auditKey).toEqual(storage.auditKey);
  expect(anew.stateHashKey).toEqual(storage.stateHashKey);
  expect((await verifyAudit(anew)).problems).toEqual([]);
}

/** Something a rotation waits for or stumbles over, by which it is caught in one step. */
const obstacles: Readonly<Record<string, { hinder: () => Promise<unknown>; sign: RegExp }>> = {
  "after a new key was written to the file": {
    hinder: () => reportReplica(db.query, { replica: "old", versions: [1] }),
    sign: /waiting for replicas to hold version 2: old/,
  },
  "before the new version is current": {
    hinder: () => admin.query("select 1 from vault_canaries where is_current for share"),
    sign: /running replicas hold version 2/,
  },
  "before the installation's own keys are wrapped": {
    hinder: () => admin.query("select 1 from vault_installation_keys for update"),
    sign: /version 2 is current/,
  },
  "before the first data key is wrapped": {
    hinder: () => admin.query("select 1 from data_keys for update"),
    sign: /own keys are wrapped/,
  },
  "when some data keys are wrapped": {
    hinder: () => admin.query("select 1 from data_keys where user_id = 'user-7' for update"),
    sign: /rewrapped 59 of 60/,
  },
};

describe("a rotation", () => {
  it("wraps every key by a new version, which it makes, and changes no secret, no audit and no state", async () => {
    expect(await versionsInUse()).toEqual({ 1: wrappedKeys });
    const { code, output } = await keys("rotate", "--batch", "25").exit;
    expect(output).toContain("version 2 was added to the key file");
    expect(output).toContain("rewrapped 50 of 60 data keys");
    expect(code).toBe(0);
    expect(await versionsInUse()).toEqual({ 2: wrappedKeys });
    const stored = await storage.db.query.selectFrom("data_keys").select("seals").execute();
    expect(stored.every(({ seals }) => seals === 1n)).toBe(true);
    await expectAllOpenAnew();
    expect((await keys("status").exit).output).toMatch(
      /version 1: readable, 0 data keys.*\nversion 2: current, 60 data/,
    );
  });

  it.each(Object.keys(obstacles))("killed %s is finished by the next run", async (step) => {
    const obstacle = obstacles[step];
    if (obstacle === undefined) throw new Error("no such step");
    await admin.query("begin");
    await obstacle.hinder();
    const first = keys("rotate", "--batch", "20");
    await first.until(obstacle.sign);
    await first.crash();
    await admin.query("rollback");
    await admin.query("delete from vault_replicas");
    for (const [at, secret] of secrets.entries()) {
      await storage.keyring.learn(createVaultStore(db.query));
      expect(await opened(secret)).toBe(`secret ${at}`);
    }
    const { code, output } = await keys("rotate").exit;
    expect(output).toContain("everything is wrapped by version 2");
    expect(code).toBe(0);
    expect(await versionsInUse()).toEqual({ 2: wrappedKeys });
    expect((await readFile(file, "utf8")).match(/^\d+:/gm)).toEqual(["1:", "2:"]);
    await expectAllOpenAnew();
  });

  it("run twice at once makes one version and wraps everything by it", async () => {
    await admin.query("begin");
    await admin.query("select 1 from data_keys where user_id = 'user-7' for update");
    const runs = [keys("rotate", "--batch", "5"), keys("rotate", "--batch", "5")];
    await Promise.all(runs.map((run) => run.until(/own keys are wrapped/)));
    await admin.query("rollback");
    for (const { code, output } of await Promise.all(runs.map((run) => run.exit))) {
      expect([code, output]).toMatchObject([0, expect.stringContaining("everything is wrapped by version 2")]);
    }
    expect(await versionsInUse()).toEqual({ 2: wrappedKeys });
    expect((await readFile(file, "utf8")).match(/^\d+:/gm)).toEqual(["1:", "2:"]);
    await expectAllOpenAnew();
  });

  it("fails no request of replicas that run meanwhile, and waits until they hold the new version", async () => {
    const replicas = await Promise.all([1, 2].map(() => openStorage({ db, masterKeys: source, log })));
    const stopped = new AbortController();
    const watching = replicas.map(async (one, at) => {
      while (!stopped.signal.aborted) {
        await watchMasterKeys({ storage: one, replica: `replica-${at}` });
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    });
    const counts = [0, 0];
    const working = replicas.map(async (one, at) => {
      for (let turn = 0; !stopped.signal.aborted; turn += 1) {
        const which = turn % users;
        const secret = secrets[which];
        if (secret === undefined) throw new Error("no secret");
        expect(await opened(secret, one)).toBe(`secret ${which}`);
        const made = await sealed(`new-${at}-${turn}`, "made meanwhile", one);
        expect(await opened(made, replicas[1 - at])).toBe("made meanwhile");
        counts[at] = turn;
      }
    });
    await vi.waitFor(() => expect(Math.min(...counts)).toBeGreaterThan(3), 60_000);
    const { code, output } = await keys("rotate", "--batch", "10", "--pause-ms", "30").exit;
    const before = [...counts];
    await vi.waitFor(() => expect(Math.min(...counts)).toBeGreaterThan(Math.max(...before)), 60_000);
    stopped.abort();
    await Promise.all([...working, ...watching]);
    expect(output).toContain("2 running replicas hold version 2");
    expect(code).toBe(0);
    expect(Object.keys(await versionsInUse())).toEqual(["2"]);
    await expectAllOpenAnew();
  });

  it("names the replicas that lack the new version when it has waited long enough, and changes nothing", async () => {
    await reportReplica(db.query, { replica: "stuck", versions: [1] });
    const { code, output } = await keys("rotate", "--wait-seconds", "1").exit;
    expect(code).toBe(1);
    expect(output).toContain("running replicas do not hold version 2: stuck. Nothing was changed.");
    expect(await versionsInUse()).toEqual({ 1: wrappedKeys });
  });

  it("says what to do where no newer key is configured and none can be made", async () => {
    const env = { DATABASE_URL: database.url, PAYMESH_ENV: "local", CREDENTIAL_ENCRYPTION_KEY: secret1 };
    const { code, output } = await runCommand(["keys", "rotate"], env).exit;
    expect([code, output]).toMatchObject([1, expect.stringContaining("a newer one in CREDENTIAL_ENCRYPTION_KEYS")]);
  });
});

describe("retiring a version", () => {
  it("is refused while it is current or wraps a key, and then ends all need for it", async () => {
    expect((await keys("retire", "1").exit).output).toContain("it is the current version");
    await admin.query("begin");
    await admin.query("select 1 from data_keys where user_id = 'user-7' for update");
    const rotation = keys("rotate");
    await rotation.until(/rewrapped 59 of 60/);
    const refused = await keys("retire", "1").exit;
    expect([refused.code, refused.output]).toMatchObject([1, expect.stringContaining("keys are still wrapped by it")]);
    await admin.query("rollback");
    expect((await rotation.exit).code).toBe(0);
    expect((await keys("retire", "1").exit).code).toBe(0);
    expect((await keys("retire", "1").exit).code).toBe(0);
    await writeFile(file, (await readFile(file, "utf8")).replace(/^1:.*\n/, ""));
    await expectAllOpenAnew();
    expect((await keys("retire", "9").exit).output).toContain("there is no such version");
  });
});

describe("an installation from before master keys had versions", () => {
  it("keeps the keys of its audit and of its states, which came from its one secret", async () => {
    expect(storage.auditKey).toEqual(deriveMasterKey(secret1, "credential audit chain"));
    expect(storage.stateHashKey).toEqual(deriveMasterKey(secret1, "credential consent state"));
  });

  it("does not start without that secret before these keys are stored", async () => {
    await admin.query("delete from vault_installation_keys");
    await admin.query("delete from data_keys");
    const other = configuredMasterKeys({ list: `2:${"b".repeat(40)}`, wrapperOf: () => expect.unreachable() });
    await expect(openStorage({ db, masterKeys: other, log })).rejects.toThrow(/version 1 is needed once more/);
  });
});
