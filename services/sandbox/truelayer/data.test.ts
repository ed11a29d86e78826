import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Answer } from "../kit/testing/start-in-test.ts";
import { startReceiver } from "../kit/testing/webhook-receiver.ts";
import { resultsOf, type SandboxWorld, startSandboxWorld, type Tokens } from "./testing/sandbox-world.ts";

let world: SandboxWorld;
let tokens: Tokens;
beforeAll(async () => {
  world = await startSandboxWorld();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  await world.control("POST", "/reset");
  tokens = await world.connect();
});

const refusal = ({ status, body }: Answer) => [status, body["error"]];
const read = (path: string) => world.read(`/data/v1${path}`, tokens.access_token);
const daysAgo = (days: number) => new Date(world.clock.now().getTime() - days * 86_400_000).toISOString();
const text = (value: unknown) => String(value);

async function accountId(kind = "TRANSACTION"): Promise<string> {
  const accounts = resultsOf(await read("/accounts"));
  return text(accounts.find((each) => each["account_type"] === kind)?.["account_id"]);
}

async function cardId(): Promise<string> {
  return text(resultsOf(await read("/cards"))[0]?.["account_id"]);
}

describe("reading", () => {
  it("shows a person's accounts at the bank in pounds, the same ones every time", async () => {
    const answer = await read("/accounts");
    expect(answer.body["status"]).toBe("Succeeded");
    const accounts = resultsOf(answer);
    expect(accounts.map((each) => [each["account_type"], each["currency"]])).toEqual([
      ["TRANSACTION", "GBP"],
      ["SAVINGS", "GBP"],
    ]);
    const number = accounts[0]?.["account_number"] as Record<string, string>;
    expect(number["sort_code"]).toBe("20-41-07");
    expect(ibanRemainder(number["iban"] ?? "")).toBe(1n);
    const again = await world.read("/data/v1/accounts", (await world.connect()).access_token);
    expect(resultsOf(again).map((each) => each["account_id"])).toEqual(accounts.map((each) => each["account_id"]));
  });

  it("shows half a year of transactions whose running balance ends at the balance", async () => {
    const id = await accountId();
    const all = resultsOf(await read(`/accounts/${id}/transactions?from=${daysAgo(200)}`));
    const oldest = Date.parse(text(all.at(-1)?.["timestamp"]));
    expect((world.clock.now().getTime() - oldest) / 86_400_000).toBeGreaterThan(178);
    expect(all.length).toBeGreaterThan(120);
    expect(new Set(all.map((each) => each["transaction_id"])).size).toBe(all.length);
    const [balance] = resultsOf(await read(`/accounts/${id}/balance`));
    expect(all[0]?.["running_balance"]).toEqual({ amount: balance?.["current"], currency: "GBP" });
    for (const each of all) expect(Number(each["amount"]) < 0).toBe(each["transaction_type"] === "DEBIT");
  });

  it("counts what a card owes upwards, and pays it from the current account", async () => {
    const card = await cardId();
    const lines = resultsOf(await read(`/cards/${card}/transactions?from=${daysAgo(180)}`));
    for (const each of lines) expect(Number(each["amount"]) > 0).toBe(each["transaction_type"] === "DEBIT");
    const [balance] = resultsOf(await read(`/cards/${card}/balance`));
    expect(balance).toMatchObject({ currency: "GBP", credit_limit: 3500 });
    const payment = lines.find((each) => each["description"] === "PAYMENT RECEIVED THANK YOU");
    const account = resultsOf(await read(`/accounts/${await accountId()}/transactions?from=${daysAgo(180)}`));
    const paid = account.find((each) => each["description"] === "CREDIT CARD PAYMENT");
    expect(paid).toMatchObject({ amount: payment?.["amount"], timestamp: payment?.["timestamp"] });
  });

  it("books a pending purchase a day later under a new id and the same normalised one", async () => {
    const id = await accountId();
    const posting = { accountId: id, amount: "-12.34", description: "KITE SHOP", pending: true };
    const posted = await world.control("POST", "/transactions", posting);
    const pending = resultsOf(await read(`/accounts/${id}/transactions/pending`)).find(
      (each) => each["description"] === "KITE SHOP",
    );
    expect(pending).toMatchObject({ amount: -12.34, transaction_id: posted.body["transactionId"] });
    const [before] = resultsOf(await read(`/accounts/${id}/balance`));
    expect(Number(before?.["available"])).toBeLessThan(Number(before?.["current"]));
    await world.control("PATCH", "/settings", { clockSkewSeconds: 27 * 3600, accessTokenSeconds: 864_000 });
    tokens = (await world.refresh(tokens.refresh_token)).body as unknown as Tokens;
    const booked = resultsOf(await read(`/accounts/${id}/transactions`)).find(
      (each) => each["description"] === "KITE SHOP",
    );
    expect(booked?.["normalised_provider_transaction_id"]).toBe(pending?.["normalised_provider_transaction_id"]);
    expect(booked?.["transaction_id"]).not.toBe(pending?.["transaction_id"]);
  });

  it("keeps to the dates asked for", async () => {
    const id = await accountId();
    const [from, to] = [daysAgo(60).slice(0, 10), daysAgo(30).slice(0, 10)];
    const days = resultsOf(await read(`/accounts/${id}/transactions?from=${from}&to=${to}`)).map((each) =>
      text(each["timestamp"]).slice(0, 10),
    );
    expect(days.length).toBeGreaterThan(10);
    expect(days.every((day) => day >= from && day <= to)).toBe(true);
  });

  it.each([
    ["from=2026-02-30T99:00", "validation_error"],
    ["from=yesterday", "validation_error"],
    ["from=FUTURE", "invalid_date_range"],
    ["to=FUTURE", "invalid_date_range"],
    ["from=ANCIENT", "invalid_date_range"],
  ])("refuses %s as %s", async (query, error) => {
    const filled = query.replace("FUTURE", daysAgo(-2)).replace("ANCIENT", daysAgo(800));
    expect(refusal(await read(`/accounts/${await accountId()}/transactions?${filled}`))).toEqual([400, error]);
  });

  it("answers an unknown account, somebody else's and a card among accounts alike", async () => {
    const other = await world.connect({ username: "priya" });
    const [foreign] = resultsOf(await world.read("/data/v1/accounts", other.access_token));
    for (const id of ["none", text(foreign?.["account_id"]), await cardId()]) {
      const answer = await read(`/accounts/${id}`);
      expect(refusal(answer)).toEqual([404, "account_not_found"]);
      expect(Object.keys(answer.body)).toEqual(["error", "error_description"]);
    }
  });

  it("denies what the consent does not cover, and everything once it is taken back or over", async () => {
    const narrow = await world.connect({ parameters: { scope: "accounts offline_access" } });
    expect(refusal(await world.read("/data/v1/cards", narrow.access_token))).toEqual([403, "access_denied"]);
    const [me] = resultsOf(await read("/me"));
    await world.control("POST", `/connections/${text(me?.["credentials_id"])}/revoke`);
    expect(refusal(await read("/accounts"))).toEqual([403, "access_denied"]);
    expect(refusal(await world.refresh(tokens.refresh_token))).toEqual([400, "invalid_grant"]);
    const [other] = resultsOf(await world.read("/data/v1/me", narrow.access_token));
    await world.control("POST", `/connections/${text(other?.["credentials_id"])}/expire-consent`);
    expect(refusal(await world.read("/data/v1/accounts", narrow.access_token))).toEqual([403, "access_denied"]);
  });

  it("asks for a fresh sign-in at a strict bank for old transactions only", async () => {
    tokens = await world.connect({ providerId: "ob-heron" });
    const path = `/accounts/${await accountId()}/transactions`;
    expect((await read(`${path}?from=${daysAgo(170)}`)).status).toBe(200);
    await world.control("PATCH", "/settings", { scaSeconds: 1, clockSkewSeconds: 60 });
    expect(refusal(await read(`${path}?from=${daysAgo(170)}`))).toEqual([403, "sca_exceeded"]);
    expect((await read(`${path}?from=${daysAgo(80)}`)).status).toBe(200);
  });

  it("refuses calls without a token and paths it does not know", async () => {
    expect(refusal(await world.call("/data/v1/accounts"))).toEqual([401, "unauthorized"]);
    expect(refusal(await world.read("/data/v1/accounts", "made-up"))).toEqual([401, "invalid_token"]);
    expect(refusal(await read("/nothing"))).toEqual([404, "not_found"]);
    expect(refusal(await read(`/accounts/${await accountId()}/direct_debits`))).toEqual([
      501,
      "endpoint_not_supported",
    ]);
  });
});

describe("asynchronous calls", () => {
  it("queue, run and succeed, and tell the receiver without the results", async () => {
    const receiver = await startReceiver();
    try {
      const uri = encodeURIComponent(receiver.url);
      const queued = await read(`/accounts?async=true&webhook_uri=${uri}`);
      expect(queued.body).toMatchObject({ status: "Queued", task_id: expect.any(String) });
      const results = new URL(text(queued.body["results_uri"])).pathname;
      expect((await world.read(results, tokens.access_token)).body).toMatchObject({ status: "Queued", results: [] });
      world.clock.advance(600);
      await expect.poll(async () => (await world.read(results, tokens.access_token)).body["status"]).toBe("Running");
      world.clock.advance(600);
      await expect.poll(() => receiver.received.length).toBe(1);
      const told = receiver.received[0]?.body;
      expect(told).toMatchObject({ status: "Succeeded", task_id: queued.body["task_id"] });
      expect(told).not.toHaveProperty("results");
      const done = await world.read(results, tokens.access_token);
      expect(done.body["status"]).toBe("Succeeded");
      expect(resultsOf(done)).toHaveLength(2);
      const stranger = await world.connect();
      expect(refusal(await world.read(results, stranger.access_token))).toEqual([404, "not_found"]);
    } finally {
      await receiver.close();
    }
  });

  it("fail with the error the call would have had", async () => {
    const queued = await read("/accounts/none?async=true");
    const results = new URL(text(queued.body["results_uri"])).pathname;
    await expect
      .poll(async () => {
        world.clock.advance(600);
        return (await world.read(results, tokens.access_token)).body;
      })
      .toMatchObject({ status: "Failed", error: "account_not_found", results: [] });
  });
});

function ibanRemainder(iban: string): bigint {
  const moved = `${iban.slice(4)}${iban.slice(0, 4)}`;
  return BigInt([...moved].map((each) => Number.parseInt(each, 36)).join("")) % 97n;
}
