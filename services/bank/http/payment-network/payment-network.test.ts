import { describe, expect, it, vi } from "vitest";
import { setUp } from "../../../platform/testing/set-up.ts";
import { type BankUnderTest, startBank, type TestCard } from "../../testing/bank-under-test.ts";

let bank: BankUnderTest;
setUp(async () => {
  // Two processes' worth of state on one database: nothing may depend on memory.
  bank = await startBank({ replicas: 2 });
  return () => bank.stop();
});

const order = { merchantId: "shop-a", orderId: "order-1" };

async function approve(card: TestCard, amount: number, headers: Record<string, string> = {}): Promise<string> {
  const answer = await bank.pay("/authorize", { ...order, amount, cardToken: await bank.addToken(card) }, headers);
  expect(answer.body).toMatchObject({ status: "approved" });
  return answer.body.authorizationCode;
}

/** Until a session of this database waits for a row that another one holds. */
async function untilOneWaits(): Promise<void> {
  const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  await vi.waitFor(async () => expect((await bank.db.pool.query(waiting)).rowCount).toBe(1), { timeout: 10_000 });
}

describe("authorize", () => {
  it("approves with code and available credit, and holds the amount in minor units", async () => {
    const card = await bank.addCard({ limitMinor: 50_000n });
    const cardToken = await bank.addToken(card);
    const answer = await bank.pay("/authorize", { ...order, amount: 19.99, cardToken, agentContext: { agentId: "x" } });
    expect(answer).toEqual({
      status: 200,
      body: {
        status: "approved",
        authorizationCode: expect.stringMatching(/^AUTH-[0-9A-F]{8,}$/),
        availableCredit: 480.01,
      },
    });
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 1_999n });
  });

  it("declines a token bound to 10.00 at one merchant for anything else, and on any second use", async () => {
    const card = await bank.addCard();
    const bound = { merchant_id: "shop-a", amount_minor: 1_000n, currency: "CAD" };
    const wrong: readonly (readonly [object, string])[] = [
      [{ amount: 300 }, "Amount mismatch"],
      [{ amount: 9.99 }, "Amount mismatch"],
      [{ amount: 10, merchantId: "shop-b" }, "Merchant mismatch"],
      [{ amount: 10, currency: "USD" }, "Currency mismatch"],
    ];
    for (const [changed, declineReason] of wrong) {
      const cardToken = await bank.addToken(card, bound);
      const body = { ...order, amount: 10, cardToken };
      expect(await bank.pay("/authorize", { ...body, ...changed })).toEqual({
        status: 200,
        body: { status: "declined", declineReason },
      });
      // Used up by the first answer, though it was a decline.
      expect((await bank.pay("/authorize", body)).body.declineReason).toBe("Invalid card token");
    }
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 0n });
  });

  it("lets one of twenty parallel uses of one token through", async () => {
    const card = await bank.addCard();
    const cardToken = await bank.addToken(card);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        bank.pay("/authorize", { ...order, orderId: `o-${index}`, amount: 1, cardToken }),
      ),
    );
    expect(answers.filter((answer) => answer.body.status === "approved")).toHaveLength(1);
    const declined = { status: 200, body: { status: "declined", declineReason: "Invalid card token" } };
    expect(answers.filter((answer) => answer.body.status !== "approved")).toEqual(Array(19).fill(declined));
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 100n });
  });

  it("binds an unbound token to what its first authorization asked", async () => {
    const card = await bank.addCard();
    const cardToken = await bank.addToken(card);
    await bank.pay("/authorize", { ...order, amount: 4.5, cardToken });
    const row = await bank.db.query
      .selectFrom("card_tokens")
      .select(["merchant_id", "amount_minor", "currency", "consumed_at"])
      .where("token_ref", "=", cardToken.slice(4))
      .executeTakeFirstOrThrow();
    expect(row).toEqual({
      merchant_id: "shop-a",
      amount_minor: 450n,
      currency: "CAD",
      consumed_at: bank.clock.now(),
    });
  });

  it("names why consents, cards and unknown tokens are declined", async () => {
    const card = await bank.addCard();
    const idle = await bank.addCard({ status: "inactive" });
    const past = new Date(bank.clock.now().getTime() - 1);
    const cases: readonly (readonly [string, string])[] = [
      ["forged", "Invalid card token"],
      ["ref:unknown", "Invalid card token"],
      [await bank.addToken(card, { expires_at: past }), "Invalid card token"],
      [await bank.addToken(card, { kind: "consent", expires_at: past }), "Consent expired"],
      [await bank.addToken(card, { revoked_at: past }), "Consent revoked"],
      [await bank.addToken(card, { kind: "consent", amount_minor: 499n }), "Amount exceeds consent limit"],
      [await bank.addToken(idle), "Card not found"],
      [await bank.addToken(await bank.addCard({ limitMinor: 499n })), "Insufficient credit"],
      [await bank.addToken(await bank.addCard({ currency: "USD" })), "Currency mismatch"],
    ];
    for (const [cardToken, declineReason] of cases) {
      const answer = await bank.pay("/authorize", { ...order, amount: 5, cardToken });
      expect(answer).toEqual({ status: 200, body: { status: "declined", declineReason } });
    }
  });

  it("accepts a consent for less than its limit", async () => {
    const cardToken = await bank.addToken(await bank.addCard(), { kind: "consent", amount_minor: 500n });
    expect((await bank.pay("/authorize", { ...order, amount: 4.99, cardToken })).body.status).toBe("approved");
  });

  it("never goes over the limit with fifty parallel holds on one card", async () => {
    const card = await bank.addCard({ limitMinor: 20_000n });
    const tokens = await Promise.all(Array.from({ length: 50 }, () => bank.addToken(card)));
    const answers = await Promise.all(
      tokens.map((cardToken) => bank.pay("/authorize", { ...order, amount: 10, cardToken })),
    );
    const approved = answers.filter((answer) => answer.body.status === "approved");
    expect(approved).toHaveLength(20);
    expect(new Set(answers.filter((answer) => !approved.includes(answer)).map((a) => a.body.declineReason))).toEqual(
      new Set(["Insufficient credit"]),
    );
    expect(Math.min(...approved.map((answer) => answer.body.availableCredit))).toBe(0);
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 20_000n });
  });

  it("answers by what a token and its card are when it writes, not by what they were when it read them", async () => {
    const changes: readonly (readonly [string, string])[] = [
      ["update cards set status = 'inactive' where id = $1", "Card not found"],
      ["update cards set credit_limit_minor = 0 where id = $1", "Insufficient credit"],
      ["update card_tokens set revoked_at = now() where card_id = $1", "Consent revoked"],
      ["update card_tokens set consumed_at = now() where card_id = $1", "Invalid card token"],
    ];
    for (const [change, declineReason] of changes) {
      const card = await bank.addCard();
      const cardToken = await bank.addToken(card);
      const other = await bank.db.pool.connect();
      await other.query("begin");
      await other.query(change, [card.id]);
      const answer = bank.pay("/authorize", { ...order, amount: 5, cardToken });
      await untilOneWaits();
      await other.query("commit");
      other.release();
      expect((await answer).body).toEqual({ status: "declined", declineReason });
      expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 0n });
    }
  });

  it("gives its credit back when a hold ends, without any further call on it", async () => {
    const card = await bank.addCard({ limitMinor: 1_000n });
    const code = await approve(card, 10);
    const again = async () =>
      (await bank.pay("/authorize", { ...order, amount: 10, cardToken: await bank.addToken(card) })).body;
    expect((await again()).declineReason).toBe("Insufficient credit");
    bank.clock.advance(168 * 3_600_000 - 1);
    expect((await again()).declineReason).toBe("Insufficient credit");
    bank.clock.advance(1);
    expect(await again()).toMatchObject({ status: "approved", availableCredit: 0 });
    expect((await again()).declineReason).toBe("Insufficient credit");
    expect((await bank.pay("/capture", { authorizationCode: code, amount: 10 })).body).toEqual({
      success: false,
      error: "Authorization expired",
    });
    expect((await bank.pay("/void", { authorizationCode: code })).body.error).toBe("Authorization is expired");
  });
});

describe("Idempotency-Key", () => {
  it("answers twenty parallel authorizes with one key alike and holds once", async () => {
    const card = await bank.addCard();
    const body = { ...order, amount: 12, cardToken: await bank.addToken(card) };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => bank.pay("/authorize", body, { "idempotency-key": "auth-parallel" })),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(answers[0]?.body.status).toBe("approved");
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 1_200n });
  });

  it("replays the first answer after the authorization went on, and a decline too", async () => {
    const card = await bank.addCard({ limitMinor: 1_000n });
    const body = { ...order, amount: 10, cardToken: await bank.addToken(card) };
    const first = await bank.pay("/authorize", body, { "idempotency-key": "replay-1" });
    await bank.pay("/capture", { authorizationCode: first.body.authorizationCode, amount: 10 });
    expect(await bank.pay("/authorize", body, { "idempotency-key": "replay-1" })).toEqual(first);
    const short = { ...order, amount: 10, cardToken: await bank.addToken(card) };
    const declined = await bank.pay("/authorize", short, { "idempotency-key": "replay-2" });
    expect(declined.body.declineReason).toBe("Insufficient credit");
    expect(await bank.pay("/authorize", short, { "idempotency-key": "replay-2" })).toEqual(declined);
  });

  it("refuses a key used with another body, on every operation", async () => {
    const card = await bank.addCard();
    const headers = { "idempotency-key": "reused" };
    const code = await approve(card, 20, headers);
    const other = await approve(card, 20);
    const conflict = { status: 409, body: expect.objectContaining({ error: "idempotency_conflict" }) };
    const cardToken = await bank.addToken(card);
    expect(await bank.pay("/authorize", { ...order, amount: 21, cardToken }, headers)).toEqual(conflict);
    expect((await bank.pay("/capture", { authorizationCode: code, amount: 20 }, headers)).body.success).toBe(true);
    expect(await bank.pay("/capture", { authorizationCode: code, amount: 19 }, headers)).toEqual(conflict);
    expect((await bank.pay("/refund", { authorizationCode: code, amount: 5 }, headers)).body.success).toBe(true);
    expect(await bank.pay("/refund", { authorizationCode: code, amount: 6 }, headers)).toEqual(conflict);
    expect((await bank.pay("/void", { authorizationCode: other }, headers)).body.success).toBe(true);
    expect(await bank.pay("/void", { authorizationCode: code }, headers)).toEqual(conflict);
  });

  it("refunds once for ten parallel refunds with one key", async () => {
    const card = await bank.addCard();
    const authorizationCode = await approve(card, 50);
    await bank.pay("/capture", { authorizationCode, amount: 50 });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        bank.pay("/refund", { authorizationCode, amount: 20 }, { "idempotency-key": "refund-parallel" }),
      ),
    );
    expect(answers.map((answer) => answer.body)).toEqual(Array.from({ length: 10 }, () => ({ success: true })));
    expect(await bank.card(card.id)).toEqual({ owed: 3_000n, held: 0n });
  });

  it("leaves the key free when the request was refused as malformed", async () => {
    const card = await bank.addCard();
    const authorizationCode = await approve(card, 5);
    const headers = { "idempotency-key": "free-again" };
    expect((await bank.pay("/capture", { authorizationCode, amount: 1.001 }, headers)).status).toBe(400);
    expect((await bank.pay("/capture", { authorizationCode, amount: 5 }, headers)).body).toEqual({ success: true });
  });
});

describe("capture, void and refund", () => {
  it("captures a part, releases the rest, and charges exactly once in parallel", async () => {
    const card = await bank.addCard();
    const authorizationCode = await approve(card, 80);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => bank.pay("/capture", { authorizationCode, amount: 30 })),
    );
    expect(answers.filter((answer) => answer.body.success)).toHaveLength(1);
    expect(answers.filter((answer) => answer.body.error === "Authorization is captured")).toHaveLength(9);
    expect(await bank.card(card.id)).toEqual({ owed: 3_000n, held: 0n });
  });

  it("lets exactly one of capture and void win", async () => {
    for (let round = 0; round < 8; round += 1) {
      const card = await bank.addCard();
      const authorizationCode = await approve(card, 10);
      const [capture, voided] = await Promise.all([
        bank.pay("/capture", { authorizationCode, amount: 10 }),
        bank.pay("/void", { authorizationCode }),
      ]);
      expect([capture.body.success, voided.body.success].filter(Boolean)).toHaveLength(1);
      const loser = capture.body.success ? voided : capture;
      expect(loser.body.error).toBe(`Authorization is ${capture.body.success ? "captured" : "voided"}`);
      expect(await bank.card(card.id)).toEqual({ owed: capture.body.success ? 1_000n : 0n, held: 0n });
    }
  });

  it("never captures more than was authorized nor refunds more than was captured, also in parallel", async () => {
    const card = await bank.addCard();
    const authorizationCode = await approve(card, 100);
    expect((await bank.pay("/refund", { authorizationCode, amount: 1 })).body.error).toBe(
      "Can only refund captured payments",
    );
    expect((await bank.pay("/capture", { authorizationCode, amount: 100.01 })).body).toEqual({
      success: false,
      error: "Amount exceeds authorization",
    });
    await bank.pay("/capture", { authorizationCode, amount: 100 });
    const refunds = await Promise.all(
      Array.from({ length: 12 }, () => bank.pay("/refund", { authorizationCode, amount: 15 })),
    );
    expect(refunds.filter((answer) => answer.body.success)).toHaveLength(6);
    expect((await bank.pay("/refund", { authorizationCode, amount: 10.01 })).body.success).toBe(false);
    expect((await bank.pay("/refund", { authorizationCode, amount: 10 })).body).toEqual({ success: true });
    expect((await bank.pay("/refund", { authorizationCode, amount: 0.01 })).body.error).toBe("Nothing to refund");
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 0n });
  });

  it("says that an unknown authorization is not found", async () => {
    const unknown = { authorizationCode: "AUTH-0000000000000000", amount: 1 };
    for (const path of ["/capture", "/void", "/refund"]) {
      expect(await bank.pay(path, unknown)).toEqual({
        status: 200,
        body: { success: false, error: "Authorization not found" },
      });
    }
  });

  it("reads 12.34 as 1234 cents on authorize, capture and refund alike", async () => {
    const card = await bank.addCard();
    const authorizationCode = await approve(card, 12.34);
    expect((await bank.card(card.id)).held).toBe(1_234n);
    await bank.pay("/capture", { authorizationCode, amount: 12.34 });
    expect((await bank.card(card.id)).owed).toBe(1_234n);
    await bank.pay("/refund", { authorizationCode, amount: 2.34 });
    expect((await bank.card(card.id)).owed).toBe(1_000n);
  });
});

describe("void by the key of the authorize", () => {
  it("releases the hold, and succeeds again when repeated", async () => {
    const card = await bank.addCard();
    await approve(card, 10, { "idempotency-key": "void-me" });
    for (let time = 0; time < 3; time += 1) {
      expect(await bank.pay("/void", { idempotencyKey: "void-me" })).toEqual({ status: 200, body: { success: true } });
      expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 0n });
    }
  });

  it("leaves a tombstone that declines the late authorize", async () => {
    const card = await bank.addCard();
    expect((await bank.pay("/void", { idempotencyKey: "too-late" })).body).toEqual({ success: true });
    const body = { ...order, amount: 10, cardToken: await bank.addToken(card) };
    const late = await bank.pay("/authorize", body, { "idempotency-key": "too-late" });
    expect(late).toEqual({ status: 200, body: { status: "declined", declineReason: "Authorization voided" } });
    expect((await bank.pay("/void", { idempotencyKey: "too-late" })).body).toEqual({ success: true });
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 0n });
  });

  it("holds nothing afterwards when it races the authorize itself", async () => {
    const card = await bank.addCard();
    for (let round = 0; round < 10; round += 1) {
      const body = { ...order, amount: 1, cardToken: await bank.addToken(card) };
      const key = `void-race-${round}`;
      const [, voided] = await Promise.all([
        bank.pay("/authorize", body, { "idempotency-key": key }),
        bank.pay("/void", { idempotencyKey: key }),
      ]);
      expect(voided.body).toEqual({ success: true });
      expect((await bank.card(card.id)).held).toBe(0n);
    }
  });

  it("is refused once the authorization was captured", async () => {
    const card = await bank.addCard();
    const authorizationCode = await approve(card, 10, { "idempotency-key": "kept" });
    await bank.pay("/capture", { authorizationCode, amount: 10 });
    expect((await bank.pay("/void", { idempotencyKey: "kept" })).body).toEqual({
      success: false,
      error: "Authorization is captured",
    });
  });
});

describe("validate-token", () => {
  it("tells a usable token without using it", async () => {
    const card = await bank.addCard();
    const cardToken = await bank.addToken(card);
    for (let time = 0; time < 2; time += 1) {
      expect(await bank.pay("/validate-token", { cardToken })).toEqual({ status: 200, body: { valid: true } });
    }
    await bank.pay("/authorize", { ...order, amount: 1, cardToken });
    const idle = await bank.addToken(await bank.addCard({ status: "inactive" }));
    const revoked = await bank.addToken(card, { revoked_at: bank.clock.now() });
    for (const unusable of [cardToken, idle, revoked, "ref:unknown", "forged"]) {
      expect((await bank.pay("/validate-token", { cardToken: unusable })).body).toEqual({ valid: false });
    }
  });
});

describe("bad requests", () => {
  it("refuses a missing or wrong API key before reading the body", async () => {
    for (const path of ["/authorize", "/capture", "/void", "/refund", "/validate-token"]) {
      for (const key of ["", "wrong"]) {
        const answer = await bank.pay(path, "not json", { "x-api-key": key });
        expect(answer).toEqual({
          status: 401,
          body: { error: "Invalid API key", message: "Invalid API key", code: 16, details: [] },
        });
      }
    }
  });

  it("refuses amounts that are zero, negative, not finite, over-precise or absurd, holding nothing", async () => {
    const card = await bank.addCard();
    const authorizationCode = await approve(card, 1);
    const cardToken = await bank.addToken(card);
    for (const amount of ["0", "-1", "0.30000000000000004", "1.234", "1e15", "1e999", '"12"', "null", "true"]) {
      const authorize = `{"merchantId":"m","orderId":"o","cardToken":"${cardToken}","amount":${amount}}`;
      const act = `{"authorizationCode":"${authorizationCode}","amount":${amount}}`;
      for (const [path, body] of [
        ["/authorize", authorize],
        ["/capture", act],
        ["/refund", act],
        ["/capture", '{"authorizationCode":"AUTH-UNKNOWN0","amount":'.concat(amount, "}")],
      ] as const) {
        const answer = await bank.pay(path, body);
        expect([amount, path, answer.status]).toEqual([amount, path, 400]);
      }
    }
    expect(await bank.card(card.id)).toEqual({ owed: 0n, held: 100n });
  });

  it("refuses malformed JSON, wrong types, missing fields, odd currencies, huge bodies and unknown routes", async () => {
    const cardToken = await bank.addToken(await bank.addCard());
    const good = { ...order, amount: 1, cardToken };
    const wrong: readonly unknown[] = [
      "{",
      "[]",
      "3",
      { ...good, merchantId: 5 },
      { ...good, orderId: "x".repeat(256) },
      { ...good, merchantName: "a\0b" },
      { ...good, currency: "DOLLARS" },
      { ...good, currency: 5 },
    ];
    for (const body of wrong) expect([body, (await bank.pay("/authorize", body)).status]).toEqual([body, 400]);
    expect((await bank.pay("/authorize", { ...good, orderId: undefined })).body).toMatchObject({
      error: "Missing required fields",
      required: ["cardToken", "amount", "merchantId", "orderId"],
    });
    expect((await bank.pay("/authorize", { ...good, description: "x".repeat(70_000) })).status).toBe(413);
    expect((await bank.pay("/nowhere", good)).status).toBe(404);
    expect((await bank.pay("/authorize", good, { "idempotency-key": "x".repeat(256) })).status).toBe(400);
    const longest = { ...good, orderId: "x".repeat(255) };
    expect((await bank.pay("/authorize", longest)).body.status).toBe("approved");
  });
});

it("leaves a ledger that adds up after all of it", async () => {
  expect(await bank.audit()).toEqual({ trialBalance: 0n, drifted: 0 });
});
