import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { releaseHolds } from "../jobs/release-holds.ts";
import { settleAbandoned } from "../jobs/settle-abandoned.ts";
import { makePendingDue } from "../storage/stored-rows.ts";
import { type MintedToken, type ReferenceBank, startReferenceBank } from "../testing/reference-bank.ts";
import { authorizeBody, bankAt, migrations, type RouterUnderTest, startRouter } from "../testing/router-under-test.ts";

let database: TestDatabase;
let bank: ReferenceBank;
let router: RouterUnderTest;
let tokens: MintedToken[];

beforeAll(async () => {
  [database, bank] = await Promise.all([
    createTestDatabase({ schema: "router", directory: migrations }),
    startReferenceBank("maple-bank"),
  ]);
  router = await startRouter({
    database,
    banks: [bankAt("maple-bank", bank.url, { apiKey: bank.paymentKey, issuer: `${bank.url}/oidc` })],
  });
  tokens = [...(await bank.mint(24, "merchant-1"))];
});

afterAll(async () => {
  await router.stop();
  await bank.stop();
  await database.drop();
});

/** An order of 1.00 with a fresh pair of tokens; the bank is named by both. */
function order(members: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const minted = tokens.shift();
  if (minted === undefined) throw new Error("too few tokens were minted");
  return authorizeBody({ amount: 1, ...minted, ...members });
}

describe("with the reference bank", () => {
  it("a payment goes there and back: authorized, captured in part, refunded, each once", async () => {
    const first = order();
    const authorized = await router.call("Authorize", first);
    expect(authorized).toMatchObject({ status: 200, body: { status: "authorized" } });
    expect(await router.call("Authorize", first)).toEqual(authorized);
    const id = authorized.body["transactionId"];
    const captured = await router.call("Capture", { id, amount: 0.75 });
    expect(captured).toMatchObject({ status: 200, body: { status: "captured", capturedAmount: 0.75 } });
    const part = await router.call("Refund", { id, amount: 0.25 });
    expect(part).toMatchObject({ status: 200, body: { status: "captured", refundedAmount: 0.25 } });
    const rest = await router.call("Refund", { id });
    expect(rest).toMatchObject({ status: 200, body: { status: "refunded", refundedAmount: 0.75 } });
    expect((await router.call("GetPayment", { id })).body["bsimId"]).toBe("maple-bank");
  });

  it("a card token is declined for another amount or merchant, and on its second use, also in parallel", async () => {
    expect((await router.call("Authorize", order({ amount: 300 }))).body["status"]).toBe("declined");
    const elsewhere = order({ merchantId: "merchant-2" });
    const atOther = await router.call("Authorize", elsewhere, { merchantId: "merchant-2" });
    expect(atOther).toMatchObject({ status: 400, body: { status: "declined" } });
    const shared = order();
    const use = () => router.call("Authorize", shared, { idempotencyKey: crypto.randomUUID() });
    const both = await Promise.all([use(), use()]);
    expect(both.map((answer) => answer.body["status"]).sort()).toEqual(["authorized", "declined"]);
  });

  it("capture and void in parallel have one winner, and both sides agree", async () => {
    const { body } = await router.call("Authorize", order());
    const id = body["transactionId"];
    const [capture, voided] = await Promise.all([router.call("Capture", { id }), router.call("Void", { id })]);
    expect([capture.status, voided.status].sort()).toEqual([200, 400]);
    expect(capture.body["status"]).toBe(voided.body["status"]);
  });

  it("a hold behind a payment left pending is released by key, and the key declines a late authorize", async () => {
    const { desk } = router;
    const found = desk.directory.bank("maple-bank");
    if (found === undefined) throw new Error("no such bank");
    const given = order();
    const orderId = String(given["orderId"]);
    const payment = {
      ...{ merchantId: "merchant-1", paymentId: desk.ids.forOrder("merchant-1", orderId, 1) },
      ...{ orderId, attempt: 1, requestHash: Buffer.alloc(32), bankId: "maple-bank" },
      ...{ amountMinor: 100n, currency: "CAD" as never, createdAt: new Date() },
      ...{ merchantName: undefined, description: undefined, metadataJson: undefined },
    };
    await desk.writer.insertPending(payment, new Date(Date.now() + 20_000));
    const call = { ...payment, cardToken: String(given["cardToken"]) };
    const answer = await desk.banks.authorize(found, call);
    if (answer.kind !== "approved") throw new Error(`the bank did not approve: ${answer.kind}`);
    await makePendingDue(database);
    await settleAbandoned(desk);
    expect(await releaseHolds(desk)).toBe(1);
    expect(await releaseHolds(desk)).toBe(0);
    const failed = await desk.payments.find("merchant-1", payment.paymentId);
    expect(failed?.status).toBe("failed");
    if (failed === undefined) throw new Error("the payment is gone");
    // The bank's own word: the hold is not there to be captured any more.
    const held = { ...failed, authorizationCode: answer.authorizationCode };
    const operation = { operationId: desk.newId(), kind: "capture", amountMinor: 100n } as never;
    expect(await desk.banks.operate(found, held, operation, false)).toBe("refused");
    const lateId = desk.ids.forOrder("merchant-1", `never arrived ${orderId}`, 1);
    const lateCall = { ...payment, paymentId: lateId, cardToken: String(order()["cardToken"]) };
    expect(await desk.banks.release(found, { paymentId: lateId, authorizationCode: undefined })).toBe(true);
    expect((await desk.banks.authorize(found, lateCall)).kind).toBe("declined");
  });
});
