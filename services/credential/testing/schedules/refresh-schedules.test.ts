import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "../../../platform/telemetry/logger.ts";
import { secretsByVersion } from "../../../platform/testing/memory-vault-store.ts";
import { createTestDatabase, type TestDatabase } from "../../../platform/testing/postgres.ts";
import { verifyAudit } from "../../storage/audit-verify.ts";
import { openStorage } from "../../storage/open-storage.ts";
import type { Tables } from "../../storage/tables.ts";
import { runSchedule, type ScheduleLane, type ScheduleResult } from "./run-schedule.ts";

// `npm run test:schedules` runs ten thousand; SCHEDULE_SEED and SCHEDULES repeat some.
const count = Number.parseInt(process.env["SCHEDULES"] ?? "48", 10);
const firstSeed = Number.parseInt(process.env["SCHEDULE_SEED"] ?? String(Date.now() % 1_000_000_000), 10);
// A schedule mostly waits: for leases to end, and for its database. Each lane may need eight of the test server's 200 connections.
const lanesMax = 24;
const poolSizeMax = 12;
const encryptionKey = "encryption-key-of-the-tests-0123456789";
const log = createLogger({ service: "credential", level: "silent", destination: { write: () => {} } });
const lanes: { database: TestDatabase; lane: ScheduleLane; storage: Awaited<ReturnType<typeof openStorage>> }[] = [];

beforeAll(async () => {
  // A short run is one beside other tests: fewer, for some three schedules each.
  for (let index = 0; index < Math.min(lanesMax, Math.ceil(count / 3)); index += 1) {
    const database = await createTestDatabase({
      schema: "credential",
      directory: new URL("../../storage/migrations/", import.meta.url),
    });
    const db = database.open<Tables>({ poolSizeMax });
    const storage = await openStorage({ db, masterKeys: secretsByVersion({ 1: encryptionKey }), log });
    lanes.push({ database, storage, lane: { pool: db.pool, log, storage } });
  }
});
afterAll(async () => {
  for (const { database } of lanes) await database.drop();
});

/** Runs seeds from `next` until there are none left. */
async function runLane(lane: ScheduleLane, next: () => number | undefined, results: Map<number, ScheduleResult>) {
  for (let seed = next(); seed !== undefined; seed = next()) {
    results.set(seed, await runSchedule(lane, seed));
    if (results.size % 500 === 0) say(`${results.size} schedules, ${describeTotals(results)}`);
  }
}

function describeTotals(results: ReadonlyMap<number, ScheduleResult>): string {
  const sum = (read: (result: ScheduleResult) => number) =>
    [...results.values()].reduce((total, result) => total + read(result), 0);
  const facts = {
    refreshes: sum((result) => result.refreshes),
    crashes: sum((result) => result.crashes),
    stalls: sum((result) => result.stalls),
    "provider faults": sum((result) => result.faults),
    revocations: sum((result) => (result.revoked ? 1 : 0)),
  };
  return Object.entries(facts)
    .map(([name, value]) => `${value} ${name}`)
    .join(", ");
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

describe("workers that refresh one connection, whatever happens to them", () => {
  it("never ask twice at once, lose no rotated token, take no standing consent for revoked, and leave audit chains that verify", {
    timeout: 60_000 + count * 2_000,
  }, async () => {
    say(`schedules ${count}, SCHEDULE_SEED=${firstSeed}`);
    const results = new Map<number, ScheduleResult>();
    let given = 0;
    const next = () => (given < count ? firstSeed + given++ : undefined);
    await Promise.all(lanes.map(({ lane }) => runLane(lane, next, results)));
    say(`${results.size} schedules, ${describeTotals(results)}`);
    const broken = [...results]
      .filter(([, result]) => result.violations.length > 0)
      .map(([seed, { violations }]) => `SCHEDULE_SEED=${seed} SCHEDULES=1: ${violations.join("; ")}`);
    expect(broken).toEqual([]);
    for (const { storage } of lanes) expect((await verifyAudit(storage)).problems).toEqual([]);
    expect(results.size).toBe(count);
  });
});
