import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import { recordOutcome } from "../flows/record-outcome.ts";
import { outboxOf, rowsOf } from "../storage/stored-rows.ts";
import { authorizeBody, bankAt, migrations, type RouterUnderTest, startRouter } from "../testing/router-under-test.ts";
import { ScriptableBank } from "../testing/scriptable-bank.ts";
import { expireAuthorizations } from "./expire-authorizations.ts";
import { releaseHolds } from "./release-holds.ts";
import { settleAbandoned } from "./settle-abandoned.ts";
import { settleOperations } from "./settle-operations.ts";

const hourMs = 3_600_000;

let database: TestDatabase;
let router: RouterUnderTest;
let bank: ScriptableBank;
let legacy: ScriptableBank;
let clock: ManualClock;

beforeEach(async () => {
  database = await createTestDatabase({ schema: "router", directory: migrations });
  bank = new ScriptableBank();
  legacy = new ScriptableBank({ capable: false });
  clock = new ManualClock("2026-03-01T10:00:00Z");
  router = await startRouter({
    database,
    clock,
    banks: [
      bankAt("north-bank", await bank.start()),
      bankAt("legacy-bank", await legacy.start(), { idempotency: false, voidByKey: false }),
    ],
  });
});

afterEach(async () => {
  await router.stop();
  await Promise.all([bank.stop(), legacy.stop()]);
  await database.drop();
});

async function authorized(members: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const { body } = await router.call("Authorize", authorizeBody(members));
  expect(body["status"]).toBe("authorized");
  return String(body["transactionId"]);
}

async function statusOf(id: string): Promise<unknown> {
  return (await router.call("GetPayment", { id })).body["status"];
}

describe("an authorization that nobody captures", () => {
  it("expires after 168 hours without any request, tells the merchant, and releases its hold", async () => {
    const id = await authorized();
    clock.advance(168 * hourMs - 1_000);
    expect(await expireAuthorizations(router.desk)).toBe(0);
    clock.advance(1_000);
    expect(await expireAuthorizations(router.desk)).toBe(1);
    expect(await statusOf(id)).toBe("expired");
    await releaseHolds(router.desk);
    expect(bank.pending).toEqual([]);
    expect((await outboxOf(database, id)).map((event) => event.type)).toEqual([
      "payment.authorized",
      "payment.expired",
    ]);
    expect((await router.call("Capture", { id })).body["status"]).toBe("expired");
  });

  it("releases its hold once a bank that was down is back", async () => {
    await authorized();
    clock.advance(168 * hourMs);
    await expireAuthorizations(router.desk);
    bank.next("void", { acts: false, answers: { status: 503, body: "" } }, { acts: false, answers: "destroy" });
    await releaseHolds(router.desk);
    expect(await releaseHolds(router.desk)).toBe(0);
    clock.advance(1_000);
    await releaseHolds(router.desk);
    expect(bank.pending).toHaveLength(1);
    clock.advance(2_000);
    await releaseHolds(router.desk);
    expect(bank.pending).toEqual([]);
    clock.advance(24 * hourMs);
    expect(await releaseHolds(router.desk)).toBe(0);
  });

  it("in a crowd expires in batches, each once, by two replicas at the same time", async () => {
    const ids = await Promise.all(Array.from({ length: 450 }, () => authorized()));
    const captured = ids[0] ?? "";
    await router.call("Capture", { id: captured });
    clock.advance(168 * hourMs);
    const ended = await Promise.all([expireAuthorizations(router.desk), expireAuthorizations(router.desk)]);
    const last = await expireAuthorizations(router.desk);
    expect(ended[0] + ended[1] + last).toBe(449);
    expect(await statusOf(captured)).toBe("captured");
    const events = await rowsOf(database, ["outbox"]);
    expect(events.filter((event) => event["type"] === "payment.expired")).toHaveLength(449);
  });
});

describe("a payment left pending by a crash", () => {
  /** The rows as a process leaves them that dies before, or after, the bank has acted. */
  async function leftPending(bankId: string): Promise<string> {
    const { desk } = router;
    const paymentId = desk.ids.forOrder("merchant-1", `left at ${bankId}`, 1);
    const payment = {
      ...{ merchantId: "merchant-1", paymentId, orderId: `left at ${bankId}`, attempt: 1, bankId },
      ...{ requestHash: Buffer.alloc(32), amountMinor: 500n, currency: "CAD" as never, createdAt: clock.now() },
      ...{ merchantName: undefined, description: undefined, metadataJson: undefined },
    };
    await desk.writer.insertPending(payment, new Date(clock.now().getTime() + 20_000));
    const found = desk.directory.bank(bankId);
    if (found === undefined) throw new Error("no such bank");
    await desk.banks.authorize(found, { ...payment, cardToken: "ctok_1" });
    return paymentId;
  }

  it("becomes failed, and the hold the bank had taken is released by key", async () => {
    const id = await leftPending("north-bank");
    expect(await settleAbandoned(router.desk)).toBe(0);
    expect(bank.pending).toHaveLength(1);
    clock.advance(20_000);
    expect(await settleAbandoned(router.desk)).toBe(1);
    expect(await statusOf(id)).toBe("failed");
    await releaseHolds(router.desk);
    expect(bank.pending).toEqual([]);
    expect((await outboxOf(database, id)).map((event) => event.type)).toEqual(["payment.failed"]);
  });

  it("is listed for reconciliation where the bank cannot release by key", async () => {
    const id = await leftPending("legacy-bank");
    clock.advance(20_000);
    await settleAbandoned(router.desk);
    expect(await statusOf(id)).toBe("failed");
    expect(await rowsOf(database, ["reconciliation"], id)).toMatchObject([
      { operation: "authorize", bank_id: "legacy-bank" },
    ]);
    expect(legacy.callsTo("void")).toEqual([]);
  });

  it("stays failed when the bank's answer is written late, and the hold found by it is released by code", async () => {
    const { desk } = router;
    const { bank: find } = desk.directory;
    const legacyBank = find("legacy-bank");
    if (legacyBank === undefined) throw new Error("no such bank");
    const id = await leftPending("legacy-bank");
    clock.advance(20_000);
    await settleAbandoned(desk);
    const stored = await desk.payments.find("merchant-1", id);
    if (stored === undefined) throw new Error("the payment is gone");
    const code = legacy.holds[0]?.code ?? "";
    const after = await recordOutcome(desk, stored, legacyBank, { kind: "approved", authorizationCode: code });
    expect(after.status).toBe("failed");
    await releaseHolds(desk);
    expect(legacy.pending).toEqual([]);
  });
});

describe("an operation whose process died after the intent was written", () => {
  it("is carried out by the job, once, and the merchant is told", async () => {
    const id = await authorized();
    const payment = await router.desk.payments.find("merchant-1", id);
    if (payment === undefined) throw new Error("the payment is gone");
    const intent = {
      ...{ operationId: router.desk.newId(), kind: "capture" as const, bankId: "north-bank", amountMinor: 1_000n },
      ...{ askedMinor: 1_000n, reason: undefined, requestKey: undefined, keyed: false },
      ...{ createdAt: clock.now(), dueAt: new Date(clock.now().getTime() + 45_000) },
    };
    expect(await router.desk.operations.claim(payment, intent)).toBeDefined();
    // Nobody else gets in between, and expiry waits for its end.
    expect(
      await router.desk.operations.claim(payment, { ...intent, operationId: router.desk.newId() }),
    ).toBeUndefined();
    expect(await settleOperations(router.desk)).toBe(0);
    clock.advance(45_000);
    const taken = await Promise.all([settleOperations(router.desk), settleOperations(router.desk)]);
    expect(taken[0] + taken[1]).toBe(1);
    expect((await router.call("GetPayment", { id })).body).toMatchObject({ status: "captured", capturedAmount: 10 });
    expect(bank.holds[0]?.captured).toBe(1_000);
    expect((await outboxOf(database, id)).at(-1)?.type).toBe("payment.captured");
  });
});
