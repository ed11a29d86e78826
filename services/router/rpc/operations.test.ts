import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { settleOperations } from "../jobs/settle-operations.ts";
import { outboxOf } from "../storage/stored-rows.ts";
import { authorizeBody, bankAt, migrations, type RouterUnderTest, startRouter } from "../testing/router-under-test.ts";
import { type Fault, ScriptableBank } from "../testing/scriptable-bank.ts";

let database: TestDatabase;
let router: RouterUnderTest;
let bank: ScriptableBank;
let legacy: ScriptableBank;

beforeAll(async () => {
  database = await createTestDatabase({ schema: "router", directory: migrations });
  bank = new ScriptableBank();
  legacy = new ScriptableBank({ capable: false });
  router = await startRouter({
    database,
    banks: [
      bankAt("north-bank", await bank.start()),
      bankAt("legacy-bank", await legacy.start(), { idempotency: false, voidByKey: false }),
    ],
  });
});

afterAll(async () => {
  await router.stop();
  await Promise.all([bank.stop(), legacy.stop()]);
  await database.drop();
});

const serverError: Fault = { acts: false, answers: { status: 503, body: "down for maintenance, see ticket 7" } };
const refuses: Fault = { acts: false, answers: { status: 200, body: '{"success":false,"error":"internal rule 7"}' } };
const unknownId = "11111111-1111-8111-8111-111111111111";

let id = "";

/** The hold of the payment made for this test. */
function hold(at: ScriptableBank = bank) {
  return at.holds.find((found) => found.key === id);
}

async function authorize(members: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const { body } = await router.call("Authorize", authorizeBody({ amount: 100, ...members }));
  expect(body["status"]).toBe("authorized");
  id = String(body["transactionId"]);
}

async function statusNow(): Promise<unknown> {
  return (await router.call("GetPayment", { id })).body["status"];
}

/** Due at once: what the settling job would pick up after its pause. */
async function settleNow(): Promise<void> {
  await router.desk.operations.takeDue(new Date(Date.now() + 60_000), -120_000, 50);
  await settleOperations(router.desk);
}

beforeEach(() => authorize());

afterEach(() => {
  bank.settle();
  legacy.settle();
});

describe("a capture", () => {
  it("takes the whole hold, is told to the merchant, and repeats with the same numbers and no second call", async () => {
    const first = await router.call("Capture", { id });
    expect(first).toMatchObject({
      status: 200,
      body: { transactionId: id, status: "captured", capturedAmount: 100, timestamp: expect.any(String) },
    });
    expect(await router.call("Capture", { id })).toEqual(first);
    expect(bank.callsTo("capture")).toHaveLength(1);
    expect(hold()?.captured).toBe(10_000);
    const captured = (await outboxOf(database, id)).at(-1);
    expect(captured).toMatchObject({ type: "payment.captured", body: { data: { amount: 100, capturedAmount: 100 } } });
  });

  it("gives its first answer, time included, after a partial refund too", async () => {
    const first = await router.call("Capture", { id });
    await router.call("Refund", { id, amount: 20 });
    expect(await router.call("Capture", { id })).toEqual(first);
    expect(bank.callsTo("capture")).toHaveLength(1);
  });

  it("takes part of the hold in dollars, and no more than it", async () => {
    const tooMuch = await router.call("Capture", { id, amount: 100.01 });
    expect(tooMuch).toMatchObject({ status: 400, error: "Capture failed", body: { status: "authorized" } });
    expect(bank.callsTo("capture")).toEqual([]);
    const part = await router.call("Capture", { id, amount: 40.5 });
    expect(part).toMatchObject({ status: 200, body: { capturedAmount: 40.5 } });
    expect(hold()?.captured).toBe(4_050);
    expect(bank.callsTo("capture")[0]?.body["amount"]).toBe(40.5);
    const other = await router.call("Capture", { id, amount: 41 });
    expect(other).toMatchObject({ status: 400, body: { status: "captured", capturedAmount: 40.5 } });
  });

  it("sent many times at once books one charge and answers all alike", async () => {
    bank.next("capture", { delayMs: 800 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => router.call("Capture", { id })));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]?.status).toBe(200);
    expect(bank.callsTo("capture")).toHaveLength(1);
  });

  it("racing a void has one winner, and the loser gets 400 with the winner's state", async () => {
    for (const delayMs of [0, 40]) {
      await authorize();
      bank.next("capture", { delayMs });
      const [capture, voided] = await Promise.all([router.call("Capture", { id }), router.call("Void", { id })]);
      const state = await statusNow();
      expect([capture.status, voided.status].sort()).toEqual([200, 400]);
      expect([capture.body["status"], voided.body["status"]]).toEqual([state, state]);
      expect(hold()?.state).toBe(String(state).toUpperCase());
      bank.settle();
    }
  });

  it("the bank refuses leaves the payment authorized and shows none of its text", async () => {
    bank.next("capture", refuses);
    const refused = await router.call("Capture", { id });
    expect(refused).toMatchObject({ status: 400, error: "Capture failed", body: { status: "authorized" } });
    expect(JSON.stringify(refused)).not.toContain("rule 7");
    expect((await router.call("Capture", { id })).body["status"]).toBe("captured");
  });

  it("is tried again after a 5xx, and the bank's `Authorization is captured` is then its success", async () => {
    // The first call acts and its answer is lost; an existing bank then finds the hold captured.
    await authorize({ walletCardToken: "wsim_legacy-bank_abc123" });
    legacy.next("capture", { answers: { status: 502, body: "" } });
    const answer = await router.call("Capture", { id, amount: 60 });
    expect(answer).toMatchObject({ status: 200, body: { status: "captured", capturedAmount: 60 } });
    expect(hold(legacy)).toMatchObject({ state: "CAPTURED", captured: 6_000 });
  });

  it("with an unknown outcome answers bank_unavailable, bars other operations, and is settled by the job", async () => {
    bank.next("capture", serverError, serverError, serverError, serverError);
    const inDoubt = await router.call("Capture", { id });
    expect(inDoubt).toMatchObject({ status: 400, error: "bank_unavailable", body: { status: "authorized" } });
    expect(JSON.stringify(inDoubt)).not.toContain("ticket 7");
    expect(bank.callsTo("capture")).toHaveLength(4);
    const other = await router.call("Void", { id });
    expect(other).toMatchObject({ status: 400, error: "operation_in_progress", body: { status: "authorized" } });
    const repeat = router.call("Capture", { id });
    await settleNow();
    expect(await repeat).toMatchObject({ status: 200, body: { status: "captured" } });
    expect(hold()?.captured).toBe(10_000);
    expect(new Set(bank.callsTo("capture").map((call) => call.key)).size).toBe(1);
  });

  it("of an unknown or another merchant's payment is failed with no amount, exactly alike", async () => {
    const foreign = await router.call("Capture", { id }, { merchantId: "merchant-2" });
    const unknown = await router.call("Capture", { id: unknownId });
    const withoutIds = ({ status, body }: { status: number; body: object }) => ({
      status,
      body: { ...body, transactionId: "", timestamp: "" },
    });
    expect(withoutIds(foreign)).toEqual(withoutIds(unknown));
    expect(foreign).toMatchObject({ status: 400, body: { status: "failed", error: "Transaction not found" } });
    expect(foreign.body["capturedAmount"] ?? 0).toBe(0);
    expect((await router.call("Capture", { id: "../x" })).body["status"]).toBe("failed");
    expect(await statusNow()).toBe("authorized");
  });

  it.each([0, -5, 0.001, "NaN"])("of the amount %s is 400 Invalid amount", async (amount) => {
    expect(await router.call("Capture", { id, amount })).toMatchObject({ status: 400, error: "Invalid amount" });
    expect(bank.callsTo("capture")).toEqual([]);
  });
});

describe("a void", () => {
  it("releases the hold and repeats as 200", async () => {
    const first = await router.call("Void", { id, reason: "out of stock" });
    expect(first).toMatchObject({ status: 200, body: { transactionId: id, status: "voided" } });
    expect(await router.call("Void", { id })).toEqual(first);
    expect(hold()?.state).toBe("VOIDED");
    expect((await outboxOf(database, id)).map((event) => event.type)).toEqual(["payment.authorized", "payment.voided"]);
    expect(await router.call("Capture", { id })).toMatchObject({ status: 400, body: { status: "voided" } });
  });
});

describe("a refund", () => {
  beforeEach(async () => {
    await router.call("Capture", { id });
  });

  it("in part answers 200 captured with the sum so far, and the rest makes it refunded", async () => {
    const part = await router.call("Refund", { id, amount: 30 });
    expect(part).toMatchObject({ status: 200, body: { status: "captured", refundedAmount: 30 } });
    const rest = await router.call("Refund", { id });
    expect(rest).toMatchObject({ status: 200, body: { status: "refunded", refundedAmount: 100 } });
    expect(hold()?.refunded).toBe(10_000);
    const again = await router.call("Refund", { id, amount: 5 });
    expect(again).toEqual(rest);
    expect(bank.callsTo("refund")).toHaveLength(2);
    const told = (await outboxOf(database, id)).filter((event) => event.type === "payment.refunded");
    expect(told.map((event) => event.body.data["amount"])).toEqual([30, 70]);
    expect(told.map((event) => event.body.data["refundedAmount"])).toEqual([30, 100]);
    expect(told[0]?.body.data["refundId"]).toBe(part.body["refundId"]);
  });

  it("in parallel never passes the captured amount, and Router and bank agree", async () => {
    const refund = (key: number) => router.call("Refund", { id, amount: 30 }, { idempotencyKey: `${id} ${key}` });
    const answers = await Promise.all([1, 2, 3, 4, 5].map(refund));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(3);
    for (const lost of answers.filter((answer) => answer.status === 400)) {
      expect(lost.body).toMatchObject({ status: "failed", error: "Refund failed" });
    }
    expect(hold()?.refunded).toBe(9_000);
    expect((await router.call("GetPayment", { id })).body["refundedAmount"]).toBe(90);
  });

  it("sent twice at once without a key is one refund, and later a second one", async () => {
    bank.next("refund", { delayMs: 800 });
    const answers = await Promise.all([1, 2, 3].map(() => router.call("Refund", { id, amount: 20 })));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(hold()?.refunded).toBe(2_000);
    await router.call("Refund", { id, amount: 20 });
    expect(hold()?.refunded).toBe(4_000);
  });

  it("under a key gives its first answer for ever, and 409 for another amount", async () => {
    const options = { idempotencyKey: `key ${id}` };
    const first = await router.call("Refund", { id, amount: 20 }, options);
    await router.call("Refund", { id, amount: 50 });
    expect(first.body).toMatchObject({ status: "captured", refundedAmount: 20 });
    expect(await router.call("Refund", { id, amount: 20 }, options)).toEqual(first);
    const conflict = await router.call("Refund", { id, amount: 21 }, options);
    expect(conflict).toMatchObject({ status: 409, error: "idempotency_conflict" });
    expect(hold()?.refunded).toBe(7_000);
  });

  it("that the settling job booked before its caller's bank had answered is told as it was booked", async () => {
    const options = { idempotencyKey: `key ${id}` };
    const answered = Promise.withResolvers<void>();
    bank.next("refund", { until: answered.promise });
    const asked = router.call("Refund", { id, amount: 20 }, options);
    await expect.poll(() => bank.callsTo("refund").length).toBe(1);
    await settleNow();
    answered.resolve();
    const first = await asked;
    expect(first.body).toMatchObject({ status: "captured", refundedAmount: 20 });
    expect(await router.call("Refund", { id, amount: 20 }, options)).toEqual(first);
    expect(hold()?.refunded).toBe(2_000);
  });

  it("refused shows failed: over the rest, by the bank, or of an unknown id", async () => {
    const over = await router.call("Refund", { id, amount: 100.01 });
    expect(over).toMatchObject({ status: 400, error: "Refund failed", body: { status: "failed" } });
    bank.next("refund", refuses);
    expect((await router.call("Refund", { id, amount: 1 })).body["status"]).toBe("failed");
    expect((await router.call("Refund", { id: unknownId })).body["status"]).toBe("failed");
    expect(await statusNow()).toBe("captured");
    await authorize();
    expect(await router.call("Refund", { id })).toMatchObject({ status: 400, body: { status: "authorized" } });
  });

  it("whose answer is lost at a bank that promises nothing is sent once, listed, and bars others", async () => {
    await authorize({ walletCardToken: "wsim_legacy-bank_abc123" });
    await router.call("Capture", { id });
    legacy.next("refund", { answers: "destroy" });
    const inDoubt = await router.call("Refund", { id, amount: 10 });
    expect(inDoubt).toMatchObject({ status: 400, error: "bank_unavailable", body: { status: "captured" } });
    await settleNow();
    expect(
      legacy.callsTo("refund").filter((call) => call.body["authorizationCode"] === hold(legacy)?.code),
    ).toHaveLength(1);
    const other = await router.call("Refund", { id, amount: 90 });
    expect(other).toMatchObject({ status: 400, error: "operation_in_progress" });
    const list = await router.call("ListReconciliation", {}, { operator: true });
    expect(list.body["items"]).toContainEqual(
      expect.objectContaining({ transactionId: id, operation: "refund", amount: 10 }),
    );
  });

  describe("that an operator has to settle", () => {
    const inDoubt = async (): Promise<string> => {
      await authorize({ walletCardToken: "wsim_legacy-bank_abc123" });
      await router.call("Capture", { id });
      legacy.next("refund", { answers: "destroy" });
      await router.call("Refund", { id, amount: 10 });
      await settleNow();
      const { body } = await router.call("ListReconciliation", {}, { operator: true });
      const items = body["items"] as { id: string; transactionId: string }[];
      return items.find((item) => item.transactionId === id)?.id ?? "";
    };
    const resolve = (entry: string, outcome: string) =>
      router.call("ResolveReconciliation", { id: entry, outcome }, { operator: true });

    it("is booked when it took place, leaves the list, and lets the next refund through", async () => {
      const entry = await inDoubt();
      const answers = await Promise.all([resolve(entry, "done"), resolve(entry, "done")]);
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 200, body: { outcome: "done", resolvedBy: "tester", amount: 10 } });
      }
      const payment = await router.call("GetPayment", { id });
      expect(payment.body).toMatchObject({ status: "captured", refundedAmount: 10 });
      const told = (await outboxOf(database, id)).filter((event) => event.type === "payment.refunded");
      expect(told).toHaveLength(1);
      const list = await router.call("ListReconciliation", {}, { operator: true });
      expect(JSON.stringify(list.body)).not.toContain(entry);
      expect(await router.call("Refund", { id, amount: 5 })).toMatchObject({
        status: 200,
        body: { refundedAmount: 15 },
      });
    });

    it("is refused when it did not take place, and can be asked for again", async () => {
      const entry = await inDoubt();
      expect((await resolve(entry, "not_done")).body["outcome"]).toBe("not_done");
      expect(await router.call("Refund", { id, amount: 10 })).toMatchObject({
        status: 200,
        body: { refundedAmount: 10 },
      });
    });

    it("takes one word alone, from an operator alone, and knows its entries", async () => {
      const entry = await inDoubt();
      expect((await router.call("ResolveReconciliation", { id: entry, outcome: "done" })).status).toBe(401);
      expect((await resolve(entry, "perhaps")).status).toBe(400);
      expect(await resolve(unknownId, "done")).toMatchObject({ status: 404, error: "reconciliation_not_found" });
      const both = await Promise.all([resolve(entry, "done"), resolve(entry, "not_done")]);
      expect(both.map((answer) => answer.status).sort()).toEqual([200, 409]);
      const won = both.find((answer) => answer.status === 200)?.body["outcome"];
      const refunded = (await router.call("GetPayment", { id })).body["refundedAmount"] ?? 0;
      expect(refunded).toBe(won === "done" ? 10 : 0);
    });
  });

  it("whose answer is lost at a bank that replays is asked again under one key and pays once", async () => {
    bank.next("refund", { answers: "destroy" });
    const answer = await router.call("Refund", { id, amount: 10 });
    expect(answer).toMatchObject({ status: 200, body: { refundedAmount: 10 } });
    expect(hold()?.refunded).toBe(1_000);
  });
});

describe("reading payments", () => {
  it("answers a foreign payment exactly like an unknown one", async () => {
    const foreign = await router.call("GetPayment", { id }, { merchantId: "merchant-2" });
    expect(foreign).toEqual(await router.call("GetPayment", { id: unknownId }));
    expect(foreign).toMatchObject({ status: 404, error: "Transaction not found" });
    expect((await router.call("GetPayment", { id }, { apiKey: undefined })).status).toBe(401);
  });

  it("lists the caller's own, newest first, page by page, and an operator's choice", async () => {
    const mine = await router.call("Authorize", authorizeBody({ merchantId: "merchant-2" }), {
      merchantId: "merchant-2",
    });
    const seen: unknown[] = [];
    let pageToken = "";
    do {
      const { body } = await router.call("ListPayments", { pageSize: 2, pageToken });
      const payments = body["payments"] as { transactionId: string; merchantId: string; createdAt: string }[];
      expect(payments.length).toBeLessThanOrEqual(2);
      expect(payments.every((payment) => payment.merchantId === "merchant-1")).toBe(true);
      seen.push(...payments.map((payment) => payment.createdAt));
      pageToken = String(body["nextPageToken"] ?? "");
    } while (pageToken !== "");
    expect(seen).toEqual([...seen].sort().reverse());
    expect(seen.length).toBeGreaterThan(20);
    const all = await router.call("ListPayments", { merchantId: "merchant-2" }, { operator: true });
    const others = all.body["payments"] as { transactionId: string; merchantId: string }[];
    expect(others[0]?.transactionId).toBe(mine.body["transactionId"]);
    expect(others.every((payment) => payment.merchantId === "merchant-2")).toBe(true);
    expect((await router.call("ListPayments", { merchantId: "merchant-2" })).status).toBe(403);
    expect((await router.call("ListPayments", { pageToken: "bm9uc2Vuc2U" })).status).toBe(400);
  });

  it("refuses filters and page tokens the database could not even compare", async () => {
    const nul = "a\u0000b";
    const tokenOf = (parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");
    const wrong = [
      ["ListPayments", { merchantId: nul }],
      ["ListPayments", { orderId: nul }],
      ["ListPayments", { orderId: "o".repeat(300) }],
      ["ListPayments", { pageToken: tokenOf([1, nul, id]) }],
      ["ListPayments", { pageToken: tokenOf([-8e15, "merchant-1", id]) }],
      ["ListReconciliation", { bsimId: nul }],
      ["ListReconciliation", { pageToken: tokenOf([1, nul, id, id]) }],
    ] as const;
    for (const [method, request] of wrong) {
      const { status } = await router.call(method, request, { operator: true });
      expect([method, request, status]).toEqual([method, request, 400]);
    }
  });
});

describe("diagnostics and health", () => {
  it("needs a key for tokens and none for the list of types", async () => {
    expect((await router.call("AnalyzeToken", { cardToken: "ctok_1" }, { apiKey: undefined })).status).toBe(401);
    const { body } = await router.call("AnalyzeToken", { cardToken: "wsim_north-bank_abc123" });
    expect(body).toMatchObject({ tokenPreview: "wsim_…", analysis: { bsimId: "north-bank" } });
    expect((await router.call("ListTokenTypes", {}, { apiKey: undefined })).status).toBe(200);
  });

  it("is healthy, and ready with its database and picture", async () => {
    const health = await router.call("GetHealth", {}, { apiKey: undefined });
    expect(health.body).toMatchObject({ status: "healthy", service: "nsim" });
    const ready = await router.call("GetReadiness", {}, { apiKey: undefined });
    expect(ready).toMatchObject({ status: 200, body: { ready: true, checks: { database: true, registry: true } } });
  });
});
