import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { releaseHolds } from "../jobs/release-holds.ts";
import { settleAbandoned } from "../jobs/settle-abandoned.ts";
import { makePendingDue, rowsOf } from "../storage/stored-rows.ts";
import {
  type Answer,
  authorizeBody,
  bankAt,
  migrations,
  type RouterUnderTest,
  startRouter,
} from "../testing/router-under-test.ts";
import { ScriptableBank } from "../testing/scriptable-bank.ts";

let database: TestDatabase;
let world: Parameters<typeof startRouter>[0];
let router: RouterUnderTest;
let bank: ScriptableBank;

beforeAll(async () => {
  database = await createTestDatabase({ schema: "router", directory: migrations });
  bank = new ScriptableBank();
  world = { database, banks: [bankAt("north-bank", await bank.start())] };
  router = await startRouter(world);
});

afterAll(async () => {
  await router.stop();
  await bank.stop();
  await database.drop();
});

describe("a bank that answers after its deadline", () => {
  it("leaves the payment failed with bank_timeout, and what it did late is undone by key", async () => {
    const impatient = await startRouter({ ...world, bankTimeoutMs: 3_000 });
    const before = bank.holds.length;
    const itsTime = Promise.withResolvers<void>();
    bank.next("authorize", { until: itsTime.promise }, { answers: "hang" });
    const [late, lost] = await Promise.all([
      impatient.call("Authorize", authorizeBody()),
      impatient.call("Authorize", authorizeBody()),
    ]);
    for (const answer of [late, lost]) {
      expect(answer).toMatchObject({
        status: 400,
        body: { status: "failed", declineReason: "bank_timeout", error: "bank_unavailable" },
      });
    }
    await releaseHolds(impatient.desk);
    itsTime.resolve();
    await sleep(200);
    // One act came before the release and was undone; the other came after it and found the key used up.
    expect(bank.holds).toHaveLength(before + 1);
    expect(bank.pending).toEqual([]);
    await impatient.stop();
  });
});

describe("database connections cut under load", () => {
  it("lose no hold: each is an authorized payment's, or is released", async () => {
    const answers: Promise<Answer>[] = [];
    for (let count = 0; count < 150; count += 1) {
      answers.push(router.call("Authorize", authorizeBody({ orderId: `cut-${count}` })));
      if (count % 30 === 15) await database.cutConnections();
      await sleep(4);
    }
    const statuses = (await Promise.all(answers)).map((answer) => answer.body["status"] ?? answer.error);
    expect(statuses.filter((status) => status === "authorized").length).toBeGreaterThan(75);
    for (const status of statuses) expect(["authorized", "Authorization failed", "server_error"]).toContain(status);
    // What a process could not finish is due for the sweep twenty seconds later.
    await makePendingDue(database);
    await settleAbandoned(router.desk);
    while ((await releaseHolds(router.desk)) > 0);
    const rows = await rowsOf(database, ["payments"]);
    expect(rows.filter((row) => row["status"] === "pending")).toEqual([]);
    const codes = rows.filter((row) => row["status"] === "authorized").map((row) => row["authorization_code"]);
    expect(bank.pending.map((hold) => hold.code).sort()).toEqual(codes.sort());
    const told = (await rowsOf(database, ["outbox"])).map((row) => row["payment_id"]);
    expect(new Set(told).size).toBe(told.length);
    expect(told.length).toBe(rows.length);
  });
});
