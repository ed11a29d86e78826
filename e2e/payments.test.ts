import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import type { Answer } from "./harness/call.ts";
import { CardHolder, routingToken } from "./harness/card-holder.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";
import { Till } from "./harness/till.ts";

const { urls } = sharedMesh();
const north = urls.banks["north-bank"];
const maple = urls.banks["maple-bank"];
const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));
const statuses = (answers: readonly Answer[]): unknown[] => answers.map((answer) => answer.body["status"]).sort();

let atNorth: CardHolder;
let atMaple: CardHolder;
let till: Till;

beforeAll(async () => {
  [atNorth, atMaple] = await Promise.all([
    CardHolder.consentAt(north, "north-bank", "customer2@example.com"),
    CardHolder.consentAt(maple, "maple-bank", "customer2@example.com"),
  ]);
});

/** Every test counts the payments of a merchant of its own. */
async function newTill(): Promise<Till> {
  till = await Till.open(urls.gateway);
  return till;
}

async function authorized(amount: number, holder = atNorth): Promise<string> {
  const answer = await till.authorize(await holder.mint({ merchantId: till.merchantId, amount }), amount);
  expect(answer).toMatchObject({ status: 200, body: { status: "authorized" } });
  return String(answer.body["transactionId"]);
}

describe("a card token", () => {
  it("pays at its own bank, and the payment names the bank that was asked", async () => {
    const { merchantId } = await newTill();
    const id = await authorized(1.5, atMaple);
    expect((await till.get(id)).body).toMatchObject({ bsimId: "maple-bank", amount: 1.5, merchantId });
    expect(await till.position(maple)).toMatchObject({ approved: 1, held: 150 });
    expect(await till.position(north)).toMatchObject({ approved: 0, held: 0 });
    expect((await till.get(id)).text).not.toContain("cardToken");
  });

  it("is declined for another amount, merchant, currency or bank, and holds nothing", async () => {
    const { merchantId } = await newTill();
    const token = () => atNorth.mint({ merchantId, amount: 10 });
    const declined = { status: 400, body: { status: "declined", declineReason: expect.stringMatching(/\S/) } };
    expect(await till.authorize(await token(), 300)).toMatchObject(declined);
    expect(await till.authorize(await token(), 10, { body: { currency: "USD" } })).toMatchObject(declined);
    expect(await till.authorize({ ...(await token()), walletCardToken: routingToken("maple-bank") }, 10)).toMatchObject(
      declined,
    );
    const other = await Till.open(urls.gateway);
    expect(await other.authorize(await token(), 10)).toMatchObject(declined);
    for (const each of [till, other]) {
      expect(await each.position(north)).toMatchObject({ approved: 0, held: 0 });
      expect(await each.position(maple)).toMatchObject({ approved: 0, held: 0 });
    }
  });

  it("used eight times at once pays once, and never again", async () => {
    const { merchantId } = await newTill();
    const token = await atNorth.mint({ merchantId, amount: 2 });
    const answers = await times(8, () => till.authorize(token, 2));
    expect(statuses(answers)).toEqual(["authorized", ...Array(7).fill("declined")].sort());
    expect((await till.authorize(token, 2)).body["status"]).toBe("declined");
    expect(await till.position(north)).toMatchObject({ approved: 1, held: 200 });
  });

  it("that is forged or unsigned is declined by the bank it names", async () => {
    await newTill();
    const [header, payload] = (await atNorth.mint({ merchantId: till.merchantId, amount: 3 })).cardToken.split(".");
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    for (const cardToken of [`${header}.${payload}.AAAA`, `${none}.${payload}.`, `${none}.${payload}`]) {
      const answer = await till.authorize({ cardToken, walletCardToken: routingToken("north-bank") }, 3);
      expect(answer).toMatchObject({ status: 400, body: { status: "declined" } });
    }
    expect(await till.position(north)).toMatchObject({ approved: 0 });
  });
});

describe("an order", () => {
  it.each([
    "wsim_no-such-bank_0123456789ab",
    "wsim_NORTH-BANK_0123456789ab",
    "wsim_north_bank_0123456789ab",
    "nothing",
  ])("for the wallet card token %s is declined, and no bank is asked", async (walletCardToken) => {
    await newTill();
    const { cardToken } = await atNorth.mint({ merchantId: till.merchantId, amount: 4 });
    // One card token names North Bank, the other no bank at all: neither may decide in place of the wallet card token.
    for (const each of [cardToken, `ctok_${"0".repeat(32)}`]) {
      const answer = await till.authorize({ cardToken: each, walletCardToken }, 4);
      expect(answer).toMatchObject({ status: 400, body: { status: "declined" } });
      // The Router's own words; a bank that was asked would have had others.
      expect(["Unknown bank", "Invalid wallet card token"]).toContain(answer.body["declineReason"]);
    }
    // The token is still whole: whoever had been asked would have used it up.
    const paid = await till.authorize({ cardToken, walletCardToken: routingToken("north-bank") }, 4);
    expect(paid.body["status"]).toBe("authorized");
  });

  it("sent ten times at once is one payment with one hold", async () => {
    const { merchantId } = await newTill();
    const token = await atNorth.mint({ merchantId, amount: 5 });
    const orderId = randomUUID();
    const answers = await times(10, () => till.authorize(token, 5, { body: { orderId } }));
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.body["transactionId"]}`)).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 200, body: { status: "authorized" } });
    const other = await till.authorize(token, 6, { body: { orderId } });
    expect(other).toMatchObject({ status: 409, body: { error: "order_conflict" } });
    expect(await till.position(north)).toMatchObject({ approved: 1, held: 500 });
  });

  it("under one Idempotency-Key, ten times at once, is one payment; with another body it is refused", async () => {
    const { merchantId } = await newTill();
    const token = await atNorth.mint({ merchantId, amount: 5 });
    const key = randomUUID();
    const body = { orderId: "keyed" };
    const answers = await times(10, () => till.authorize(token, 5, { body, key }));
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.body["transactionId"]}`)).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 200, body: { status: "authorized" } });
    const other = await till.authorize(token, 7, { body, key });
    expect(other).toMatchObject({ status: 409, body: { error: "idempotency_conflict" } });
    expect(await till.position(north)).toMatchObject({ approved: 1, held: 500 });
  });

  it.each([0, -1, "NaN", "Infinity", 0.001, 0.30000000000000004, 1e15, "", true])(
    "of the amount %j is 400 on authorize, capture and refund, and moves nothing",
    async (amount) => {
      const { merchantId } = await newTill();
      const token = await atNorth.mint({ merchantId, amount: 8 });
      const refused = await till.authorize(token, amount);
      // Not a decline: that would be the bank's word on a token for another amount.
      expect({ status: refused.status, state: refused.body["status"] }).toEqual({ status: 400, state: undefined });
      expect(await till.position(north)).toMatchObject({ approved: 0 });
      const id = await authorized(8);
      expect((await till.operate(id, "capture", { amount })).status).toBe(400);
      expect(await till.position(north)).toMatchObject({ held: 800, captured: 0 });
      await till.operate(id, "capture", { amount: 8 });
      expect((await till.operate(id, "refund", { amount })).status).toBe(400);
      expect(await till.position(north)).toMatchObject({ captured: 800, refunded: 0 });
    },
  );

  it("without its required fields is told which", async () => {
    await newTill();
    const answer = await till.authorize({}, undefined);
    expect(answer).toMatchObject({ status: 400, body: { error: "Missing required fields" } });
    expect(answer.body["required"]).toEqual(expect.arrayContaining(["amount", "cardToken"]));
  });
});

describe("after the authorization", () => {
  it("a capture is at most the hold, happens once however often it is asked, and releases the rest", async () => {
    await newTill();
    const id = await authorized(10);
    expect(await till.operate(id, "capture", { amount: 10.01 })).toMatchObject({
      status: 400,
      body: { status: "authorized", error: expect.stringMatching(/\S/) },
    });
    const answers = await times(8, () => till.operate(id, "capture", { amount: 7.25 }));
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 200, body: { status: "captured", capturedAmount: 7.25 } });
    }
    expect(await till.position(north)).toEqual({ approved: 1, held: 0, captured: 725, refunded: 0 });
  });

  it("capture and void at once have one winner, and bank and Router agree on it", async () => {
    await newTill();
    for (let round = 0; round < 5; round += 1) {
      const id = await authorized(3);
      const before = (await till.position(north)).captured;
      const [capture, release] = await Promise.all([till.operate(id, "capture"), till.operate(id, "void")]);
      expect([capture.status, release.status].sort()).toEqual([200, 400]);
      const { status } = (await till.get(id)).body;
      expect(status).toBe(capture.status === 200 ? "captured" : "voided");
      const booked = (await till.position(north)).captured - before;
      expect(booked).toBe(capture.status === 200 ? 300 : 0);
    }
    expect((await till.position(north)).held).toBe(0);
  });

  it("refunds in parallel never exceed what was captured", async () => {
    await newTill();
    const id = await authorized(10);
    await till.operate(id, "capture");
    const answers = await times(6, (index) => till.operate(id, "refund", { amount: 3 + index / 100 }));
    const paid = answers.filter((answer) => answer.status === 200);
    expect(paid.length).toBeGreaterThan(0);
    const { refunded } = await till.position(north);
    expect(refunded).toBeLessThanOrEqual(1000);
    expect(Math.round(Number((await till.get(id)).body["refundedAmount"]) * 100)).toBe(refunded);
    const over = await till.operate(id, "refund", { amount: 10 });
    expect(over).toMatchObject({ status: 400, body: { status: "failed" } });
  });

  it("another merchant's payment answers like an unknown one, on every route", async () => {
    await newTill();
    const id = await authorized(2);
    const stranger = await Till.open(urls.gateway);
    const plain = ({ status, body }: Answer, of: string): unknown => {
      const { timestamp: _, ...members } = body;
      return { status, text: JSON.stringify(members).replaceAll(of, "ID") };
    };
    const unknown = randomUUID();
    for (const what of ["capture", "void", "refund"] as const) {
      const foreign = plain(await stranger.operate(id, what), id);
      expect(foreign).toEqual(plain(await stranger.operate(unknown, what), unknown));
      expect(foreign).toMatchObject({ status: 400 });
    }
    expect(await stranger.get(id)).toMatchObject({ status: 404, body: { error: "Transaction not found" } });
    const asOther = await stranger.authorize({ cardToken: "t" }, 1, { body: { merchantId: till.merchantId } });
    expect(asOther.status).toBe(403);
    expect((await till.get(id)).body["status"]).toBe("authorized");
  });
});
