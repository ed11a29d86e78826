import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { releaseHolds } from "../jobs/release-holds.ts";
import { outboxOf, rowsOf } from "../storage/stored-rows.ts";
import { jwtWith } from "../testing/bank-facts.ts";
import { authorizeBody, bankAt, migrations, type RouterUnderTest, startRouter } from "../testing/router-under-test.ts";
import { ScriptableBank } from "../testing/scriptable-bank.ts";

let database: TestDatabase;
let router: RouterUnderTest;
let north: ScriptableBank;
let maple: ScriptableBank;
let legacy: ScriptableBank;

beforeAll(async () => {
  database = await createTestDatabase({ schema: "router", directory: migrations });
});

afterAll(() => database.drop());

beforeEach(async () => {
  north = new ScriptableBank();
  maple = new ScriptableBank();
  legacy = new ScriptableBank({ capable: false });
  const withoutPromises = { idempotency: false, voidByKey: false };
  router = await startRouter({
    database,
    banks: [
      bankAt("north-bank", await north.start()),
      bankAt("maple-bank", await maple.start()),
      bankAt("legacy-bank", await legacy.start(), withoutPromises),
      bankAt("removed-bank", "http://127.0.0.1:1", { status: "inactive" }),
      bankAt("paused-bank", "http://127.0.0.1:1", { status: "maintenance" }),
      bankAt("sick-bank", "http://127.0.0.1:1", { healthy: false }),
      bankAt("dead-bank", "http://127.0.0.1:1"),
    ],
  });
});

afterEach(async () => {
  await router.stop();
  await Promise.all([north.stop(), maple.stop(), legacy.stop()]);
});

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("an authorize", () => {
  it("is sent to the bank of the wallet card token and answered 200 with its code", async () => {
    const order = authorizeBody({ walletCardToken: "wsim_maple-bank_c0ffee123456" });
    const { status, body } = await router.call("Authorize", order);
    expect(status).toBe(200);
    expect(body).toEqual({
      transactionId: expect.stringMatching(uuid),
      status: "authorized",
      authorizationCode: maple.holds[0]?.code,
      timestamp: expect.any(String),
    });
    expect(north.calls).toEqual([]);
    expect(maple.calls).toHaveLength(1);
    expect(maple.calls[0]).toMatchObject({ key: body["transactionId"], apiKey: "key-of-maple-bank" });
    const stored = await router.call("GetPayment", { id: body["transactionId"] });
    expect(stored.body).toMatchObject({ bsimId: "maple-bank", amount: 12.34, currency: "CAD", status: "authorized" });
  });

  it("carries dollars, merchant, order and card token to the bank as they are", async () => {
    const order = authorizeBody({ amount: 0.3, merchantName: "Shop", description: "Tea", currency: "USD" });
    await router.call("Authorize", order);
    expect(north.calls[0]?.body).toEqual({
      cardToken: order["cardToken"],
      amount: 0.3,
      currency: "USD",
      merchantId: "merchant-1",
      merchantName: "Shop",
      orderId: order["orderId"],
      description: "Tea",
    });
  });

  it("writes its event in the state change, and keeps the card token nowhere", async () => {
    const token = jwtWith({ bsimId: "north-bank", jti: "very-secret-token" });
    const { body } = await router.call("Authorize", authorizeBody({ cardToken: token, metadata: { b: 1, a: [2] } }));
    const events = await outboxOf(database, body["transactionId"]);
    expect(events.map((event) => event.type)).toEqual(["payment.authorized"]);
    const all = JSON.stringify(await rowsOf(database, ["payments", "outbox", "operations"]));
    expect(all).not.toContain(token);
    expect(all).not.toContain("very-secret-token");
    const stored = await router.call("GetPayment", { id: body["transactionId"] });
    expect(stored.body["metadata"]).toEqual({ a: [2], b: 1 });
    expect(JSON.stringify(stored.body)).not.toContain("cardToken");
  });

  it.each([
    ["wsim_nowhere_abc123", "Unknown bank"],
    ["wsim_removed-bank_abc123", "Bank not active"],
    ["wsim_north-bank", "Invalid wallet card token"],
  ])("with %s is declined and no bank is called", async (walletCardToken, declineReason) => {
    const { status, body } = await router.call("Authorize", authorizeBody({ walletCardToken }));
    expect(status).toBe(400);
    expect(body).toMatchObject({ status: "declined", declineReason, transactionId: expect.stringMatching(uuid) });
    expect([...north.calls, ...maple.calls, ...legacy.calls]).toEqual([]);
    const events = await outboxOf(database, body["transactionId"]);
    expect(events.map((event) => event.type)).toEqual(["payment.declined"]);
    expect((await router.call("GetPayment", { id: body["transactionId"] })).body["bsimId"]).toBeUndefined();
  });

  it.each(["paused-bank", "sick-bank", "dead-bank"])("at %s fails at once as bank_unavailable", async (bankId) => {
    const order = authorizeBody({ walletCardToken: `wsim_${bankId}_abc123` });
    const { status, body } = await router.call("Authorize", order);
    expect(status).toBe(400);
    expect(body).toMatchObject({ status: "failed", declineReason: "bank_unavailable", error: "bank_unavailable" });
    expect(body["message"]).toContain("not available");
    // Nothing can have reached the bank, so there is nothing to release.
    expect(await rowsOf(database, ["hold_releases"], body["transactionId"])).toEqual([]);
  });

  it("declined by the bank shows a known reason and hides any other text", async () => {
    const known = await router.call("Authorize", authorizeBody({ cardToken: "decline:Insufficient credit" }));
    expect(known).toMatchObject({ status: 400, body: { status: "declined", declineReason: "Insufficient credit" } });
    const odd = await router.call("Authorize", authorizeBody({ cardToken: "decline:SQLSTATE 42P01 at db7" }));
    expect(odd.body["declineReason"]).toBe("Declined by the bank");
  });

  it("learns a bank that appears at run time, without a restart", async () => {
    const order = authorizeBody({ walletCardToken: "wsim_new-bank_abc123" });
    expect((await router.call("Authorize", order)).body["declineReason"]).toBe("Unknown bank");
    router.picture.putBank(bankAt("new-bank", `http://127.0.0.1:${maple.port}`));
    expect((await router.call("Authorize", order)).body["status"]).toBe("authorized");
  });
});

describe("a request that is not right", () => {
  it.each([0, -1, 0.30000000000000004, 12.345, 1e15, "NaN", "Infinity"])(
    "with the amount %s is 400",
    async (amount) => {
      const answer = await router.call("Authorize", authorizeBody({ amount }));
      expect(answer).toMatchObject({ status: 400, error: "Invalid amount" });
      expect(north.calls).toEqual([]);
    },
  );

  it("with an unknown currency is 400, and so is one without its required fields", async () => {
    expect(await router.call("Authorize", authorizeBody({ currency: "cad" }))).toMatchObject({
      status: 400,
      error: "Invalid currency",
    });
    expect(await router.call("Authorize", { amount: 1 })).toMatchObject({
      status: 400,
      error: "Missing required fields",
    });
  });

  it("with texts too long or with a NUL is 400 and harms no other request", async () => {
    const bad = [{ orderId: "o".repeat(300) }, { merchantName: "a\u0000b" }, { metadata: { a: "x".repeat(9_000) } }];
    for (const members of bad) expect((await router.call("Authorize", authorizeBody(members))).status).toBe(400);
    expect(north.calls).toEqual([]);
  });

  it("without a key or with a wrong one is 401; for another merchant it is 403", async () => {
    expect((await router.call("Authorize", authorizeBody(), { apiKey: undefined })).status).toBe(401);
    expect((await router.call("Authorize", authorizeBody(), { apiKey: "wrong" })).status).toBe(401);
    expect((await router.call("Authorize", authorizeBody(), { merchantId: "merchant-2" })).status).toBe(403);
    expect(north.calls).toEqual([]);
  });
});

describe("a repeated authorize", () => {
  it("of one order makes one hold and one id, also in parallel", async () => {
    north.next("authorize", { delayMs: 500 });
    const order = authorizeBody();
    const answers = await Promise.all(Array.from({ length: 12 }, () => router.call("Authorize", order)));
    const later = await router.call("Authorize", order);
    expect(new Set([...answers, later].map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(later.status).toBe(200);
    expect(north.holds).toHaveLength(1);
  });

  it("under one key makes one hold and one id, also over two replicas", async () => {
    const banks = [bankAt("north-bank", `http://127.0.0.1:${north.port}`)];
    const replica = await startRouter({ database, banks });
    try {
      north.next("authorize", { delayMs: 150 });
      const order = authorizeBody();
      const call = (to: RouterUnderTest) => to.call("Authorize", order, { idempotencyKey: `key ${order["orderId"]}` });
      const answers = await Promise.all([router, replica, router, replica, replica].map(call));
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect(answers[0]?.status).toBe(200);
      expect(north.holds).toHaveLength(1);
    } finally {
      await replica.stop();
    }
  });

  it("under one key with another body is 409 and no second call", async () => {
    const order = authorizeBody();
    const options = { idempotencyKey: `key ${order["orderId"]}` };
    await router.call("Authorize", order, options);
    for (const change of [{ amount: 12.35 }, { orderId: "other" }, { cardToken: "ctok_other" }, { currency: "USD" }]) {
      const answer = await router.call("Authorize", { ...order, ...change }, options);
      expect(answer).toMatchObject({ status: 409, error: "idempotency_conflict" });
    }
    expect(north.calls).toHaveLength(1);
  });

  it("under the same key of another merchant is another payment", async () => {
    const options = { idempotencyKey: `shared key ${crypto.randomUUID()}` };
    const first = await router.call("Authorize", authorizeBody(), options);
    const body = authorizeBody({ merchantId: "merchant-2" });
    const second = await router.call("Authorize", body, { ...options, merchantId: "merchant-2" });
    expect(second.status).toBe(200);
    expect(second.body["transactionId"]).not.toBe(first.body["transactionId"]);
  });

  it("of a live order with another amount is 409; after a decline or a void it is a new attempt", async () => {
    const order = authorizeBody();
    const first = await router.call("Authorize", order);
    const conflict = await router.call("Authorize", { ...order, amount: 99 });
    expect(conflict).toMatchObject({ status: 409, error: "order_conflict" });
    await router.call("Void", { id: first.body["transactionId"] });
    const second = await router.call("Authorize", { ...order, cardToken: "decline:Consent revoked" });
    expect(second.body["status"]).toBe("declined");
    const third = await router.call("Authorize", { ...order, amount: 99 });
    expect(third.body["status"]).toBe("authorized");
    const ids = [first, second, third].map((answer) => answer.body["transactionId"]);
    expect(new Set(ids).size).toBe(3);
  });

  it("of a refunded order gives the first answer and takes no money again", async () => {
    const order = authorizeBody();
    const first = await router.call("Authorize", order);
    const id = first.body["transactionId"];
    await router.call("Capture", { id });
    await router.call("Refund", { id });
    expect(await router.call("Authorize", order)).toEqual(first);
    expect(north.holds).toHaveLength(1);
  });
});

describe("a bank in trouble", () => {
  const secret = "ORA-00942 password=hunter2";

  it.each([
    ["500", { answers: { status: 500, body: secret } }],
    ["a connection cut after the act", { answers: "destroy" as const }],
    ["nonsense", { answers: { status: 200, body: secret } }],
    ["approved without a code", { answers: { status: 200, body: '{"status":"approved"}' } }],
    ["a redirect", { answers: { status: 302, body: "" } }],
  ])("answering %s gives failed without its text, and the hold is released by key", async (_name, fault) => {
    north.next("authorize", fault, fault);
    const answer = await router.call("Authorize", authorizeBody());
    expect(answer).toMatchObject({ status: 400, body: { status: "failed", error: "bank_unavailable" } });
    expect(answer.body["message"]).toEqual(expect.any(String));
    expect(JSON.stringify(answer)).not.toContain("hunter2");
    await releaseHolds(router.desk);
    expect(north.holds).toHaveLength(1);
    expect(north.pending).toEqual([]);
    expect(north.callsTo("void")[0]?.body).toEqual({ idempotencyKey: answer.body["transactionId"] });
  });

  it.each([401, 403])("answering %s gives failed, not declined", async (status) => {
    north.next("authorize", { acts: false, answers: { status, body: '{"error":"Invalid API key"}' } });
    const { body } = await router.call("Authorize", authorizeBody());
    expect(body).toMatchObject({ status: "failed", declineReason: "bank_unavailable", error: "bank_unavailable" });
    expect(JSON.stringify(body)).not.toContain("API key");
  });

  it("that loses its answer is asked once more under the same key where it replays, and authorizes one hold", async () => {
    north.next("authorize", { answers: "destroy" });
    const { body } = await router.call("Authorize", authorizeBody());
    expect(body["status"]).toBe("authorized");
    expect(north.holds).toHaveLength(1);
    expect(new Set(north.callsTo("authorize").map((call) => call.key))).toEqual(new Set([body["transactionId"]]));
  });

  it("that promises nothing is never sent an authorize twice, and the payment is listed for reconciliation", async () => {
    legacy.next("authorize", { answers: "destroy" });
    const order = authorizeBody({ walletCardToken: "wsim_legacy-bank_abc123" });
    const { body } = await router.call("Authorize", order);
    expect(body["status"]).toBe("failed");
    expect(legacy.callsTo("authorize")).toHaveLength(1);
    const list = await router.call("ListReconciliation", { bsimId: "legacy-bank" }, { operator: true });
    expect(list.body["items"]).toContainEqual(
      expect.objectContaining({ transactionId: body["transactionId"], operation: "authorize", amount: 12.34 }),
    );
    expect((await router.call("ListReconciliation", {})).status).toBe(401);
  });

  it("does not make other banks fail", async () => {
    const dead = () => router.call("Authorize", authorizeBody({ walletCardToken: "wsim_dead-bank_abc123" }));
    for (let count = 0; count < 7; count += 1) expect((await dead()).body["status"]).toBe("failed");
    const { body } = await router.call("Authorize", authorizeBody({ walletCardToken: "wsim_maple-bank_abc123" }));
    expect(body["status"]).toBe("authorized");
  });
});
