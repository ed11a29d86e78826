import { expect, it } from "vitest";
import type { TestDatabase } from "../../platform/testing/postgres.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import type { RegistryDeps } from "../rpc/deps.ts";
import { createRegistryDatabase, registryDeps } from "../testing/registry-world.ts";
import type { BankDecision } from "./bank-store.ts";
import type { RegistryDatabase, RegistryTables } from "./tables.ts";

let database: TestDatabase;
let db: RegistryDatabase;
let deps: RegistryDeps;

setUp(async () => {
  database = await createRegistryDatabase();
  db = database.open<RegistryTables>();
  deps = registryDeps(db);
  return async () => {
    await deps.feed.stop();
    await database.drop();
  };
});

function decision(name: string): BankDecision {
  return {
    facts: {
      name,
      apiBaseUrl: "http://127.0.0.1:9101",
      authServerUrl: "http://127.0.0.1:9101/oidc",
      openBankingUrl: undefined,
      cardTypes: [],
      binRanges: [],
      walletEnrollmentSupported: true,
      logoUrl: undefined,
      capabilities: [],
    },
    standing: { status: "active", heldByOperator: false },
    apiKey: undefined,
  };
}

async function waitingBackends(): Promise<number> {
  const { rows } = await db.pool.query(
    "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  );
  return rows[0].n;
}

/** Holds the lock every change needs, starts the work, and lets go when all of it stands in the queue. */
async function meet<T>(count: number, work: (index: number) => Promise<T>): Promise<PromiseSettledResult<T>[]> {
  const gate = await db.pool.connect();
  await gate.query("begin");
  await gate.query("select 1 from registry_revision for update");
  const settled = Promise.allSettled(Array.from({ length: count }, (_, index) => work(index)));
  await expect.poll(waitingBackends, { interval: 10 }).toBe(count);
  await gate.query("commit");
  gate.release();
  return settled;
}

it("creates a new bank once when its registrations meet", async () => {
  const results = await meet(3, () => deps.banks.save("new-bank", () => decision("New")));
  const created = results.map((result) => result.status === "fulfilled" && result.value.created);
  expect(results.map((result) => result.status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
  expect(created.filter(Boolean)).toHaveLength(1);
});

it("gives changes that meet different revisions, visible in their order", async () => {
  const before = await deps.reader.revision();
  const results = await meet(3, (index) => deps.banks.save(`bank-${index}`, () => decision("Met")));
  const revisions = results.map((result) => result.status === "fulfilled" && result.value.bank.revision);
  expect([...revisions].sort()).toEqual([before + 1n, before + 2n, before + 3n]);
  const page = await deps.reader.changesAfter(before, 10);
  expect(page).toMatchObject({ complete: true, revision: before + 3n });
  expect(page.changes.map((change) => change.revision)).toEqual([before + 1n, before + 2n, before + 3n]);
});

it("shows a follower no revision whose transaction is not committed", async () => {
  const before = await deps.reader.revision();
  const writer = await db.pool.connect();
  await writer.query("begin");
  await writer.query("update registry_revision set revision = revision + 1");
  expect(await deps.reader.revision()).toBe(before);
  expect((await deps.reader.changesAfter(before, 10)).revision).toBe(before);
  await writer.query("rollback");
  writer.release();
});

it("claims no bank twice when many replicas look at once", async () => {
  await Promise.all(Array.from({ length: 20 }, (_, index) => deps.banks.save(`due-${index}`, () => decision("Due"))));
  for (let round = 0; round < 10; round += 1) {
    await db.pool.query("update bank_probes set lease_until = null, lease_token = null, next_probe_at = now()");
    const claims = await Promise.all(
      Array.from({ length: 8 }, () => deps.probes.claim({ limit: 20, leaseMs: 60_000 })),
    );
    const ids = claims.flat().map((claim) => claim.bankId);
    expect(new Set(ids).size).toBe(ids.length);
  }
});
