import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Connector, Grant } from "../connector.ts";
import type { ProviderTransaction } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { answerTooLarge, type ProviderHttp } from "../provider-http.ts";
import { accessOf, makeConnector, must, startWiseWorld, type WiseWorld } from "./testing/wise-world.ts";

const dayMs = 86_400_000;
const statementPath = "/v1/profiles/:profileId/balance-statements/:balanceId/statement.json";
const pagesMax = 200;
let world: WiseWorld;
beforeAll(async () => {
  world = await startWiseWorld();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  for (const path of ["/faults", "/calls", "/settings"]) await world.wise.control("DELETE", path);
});

const ago = (days: number) => new Date(world.wise.clock.now().getTime() - days * dayMs);

interface Run {
  readonly transactions: readonly ProviderTransaction[];
  readonly cursor: string;
  readonly pages: number;
}

/** A whole run, as the service makes it. */
async function run(
  grant: Grant,
  cursor = "",
  options: { by?: Connector; from?: Date; timeoutMs?: number } = {},
): Promise<Run> {
  const { by = world.connector, from = ago(400), timeoutMs } = options;
  const all: ProviderTransaction[] = [];
  let at = cursor;
  for (let pages = 1; pages <= pagesMax; pages += 1) {
    const page = await must(by.syncTransactions)(accessOf(grant), { cursor: at, from }, world.call(timeoutMs));
    expect(page.restart).toBeUndefined();
    expect(page.nextCursor.length).toBeLessThanOrEqual(4_096);
    all.push(...page.added);
    if (!page.hasMore) return { transactions: all, cursor: page.nextCursor, pages };
    expect(page.nextCursor).not.toBe(at);
    at = page.nextCursor;
  }
  throw new Error("the run does not end");
}

interface Span {
  readonly balanceId: string;
  readonly days: number;
  readonly start: string;
  readonly end: string;
}

/** A connector whose statements this looks at, or changes, on their way. */
function watching(see: (span: Span) => void, change: (text: string) => string = (text) => text): Connector {
  const http: ProviderHttp = {
    ...world.http,
    send: async (request, call) => {
      const url = new URL(request.url);
      const balanceId = /balance-statements\/(\d+)\//.exec(url.pathname)?.[1];
      if (balanceId === undefined) return await world.http.send(request, call);
      const [start = "", end = ""] = ["intervalStart", "intervalEnd"].map((name) => url.searchParams.get(name) ?? "");
      see({ balanceId, days: (Date.parse(end) - Date.parse(start)) / dayMs, start, end });
      const answer = await world.http.send(request, call);
      return { ...answer, text: change(answer.text) };
    },
  };
  return must(makeConnector(http, { env: world.env }));
}

const ids = ({ transactions }: Run) => transactions.map((each) => each.transactionId);

describe("transactions at Wise", () => {
  it("are read balance by balance in bounded spans, each once, money that leaves as a negative amount", async () => {
    const grant = await world.connect();
    const spans: Span[] = [];
    const whole = await run(grant, "", { by: watching((span) => spans.push(span)) });
    expect(new Set(ids(whole)).size).toBe(whole.transactions.length);
    expect(whole.transactions.length).toBeGreaterThan(700);
    expect(spans.every((span) => span.days <= 90)).toBe(true);
    expect(new Set(spans.map((span) => span.balanceId)).size).toBe(3);
    const rent = whole.transactions.find((each) => each.description === "Sent money to Quayside Homes");
    expect(rent).toMatchObject({ category: "TRANSFER", status: "posted", currency: expect.stringMatching(/GBP|EUR/) });
    expect(must(rent).amountMinor).toBeLessThan(0n);
    const pay = whole.transactions.find((each) => each.category === "DEPOSIT");
    expect(must(pay).amountMinor).toBeGreaterThan(0n);
    const card = whole.transactions.find((each) => each.transactionId.includes(":CARD-"));
    expect(must(card).description).toMatch(/^Card transaction of \d+\.\d\d (GBP|EUR) issued by/);
  });

  it("add up: what a balance holds is what it held plus what moved since", async () => {
    const grant = await world.connect();
    const [balanceId] = await world.balanceIds();
    const accounts = await world.connector.listAccounts(accessOf(grant), world.call());
    const { transactions } = await run(grant, "", { from: new Date(0) });
    const moved = transactions
      .filter((each) => each.accountId === String(balanceId))
      .reduce((sum, each) => sum + each.amountMinor, 0n);
    expect(164_215n + moved).toBe(accounts.find((each) => each.accountId === String(balanceId))?.balanceMinor);
  });

  it("of a later run begin ten days before the last one ended, and what is new comes with them", async () => {
    const grant = await world.connect();
    const first = await run(grant);
    const [balanceId] = await world.balanceIds();
    await world.wise.control("POST", "/transactions", {
      balanceId,
      amount: "-5.05",
      description: "Late book",
      notify: false,
    });
    const spans: Span[] = [];
    const second = await run(grant, first.cursor, { by: watching((span) => spans.push(span)) });
    expect(spans.map((span) => Math.round(span.days))).toEqual([10, 10, 10]);
    const known = new Set(ids(first));
    const fresh = second.transactions.filter((each) => !known.has(each.transactionId));
    expect(fresh).toMatchObject([{ amountMinor: -505n, description: "Late book", accountId: String(balanceId) }]);
  });

  it("before a balance was opened are not asked for, however far back one looks", async () => {
    const grant = await world.connect();
    const spans: Span[] = [];
    await run(grant, "", { from: new Date(0), by: watching((span) => spans.push(span)) });
    expect(spans.map((span) => span.start).sort()[0]).toBe("2024-01-01T00:00:00.000Z");
  });

  it("are read in smaller spans where an answer would be too large, down to an hour and no further", async () => {
    const grant = await world.connect();
    const plain = await run(grant, "", { from: ago(100) });
    const spans: number[] = [];
    const limitDays = (days: number) =>
      watching((span) => {
        spans.push(span.days);
        if (span.days > days) throw new ProviderError("unavailable", { detail: answerTooLarge });
      });
    const halved = await run(grant, "", { from: ago(100), by: limitDays(13) });
    expect(ids(halved).sort()).toEqual(ids(plain).sort());
    expect(spans.filter((days) => days > 13)).toHaveLength(3);
    const hopeless = run(grant, "", { from: ago(100), by: limitDays(0) });
    await expect(hopeless).rejects.toMatchObject({ failure: "unavailable" });
    expect(Math.min(...spans) * 24).toBeCloseTo(1, 3);
  });

  it("come by as many pages as time allows, with the same in the end", async () => {
    const grant = await world.connect();
    const whole = await run(grant);
    await world.wise.control("POST", "/faults", { kind: "latency", ms: 150, path: statementPath, times: 1_000 });
    const slow = await run(grant, "", { timeoutMs: 600 });
    expect(slow.pages).toBeGreaterThan(whole.pages);
    expect(ids(slow).sort()).toEqual(ids(whole).sort());
  });

  it("told twice are one, and lines that share their number are two", async () => {
    const grant = await world.connect();
    const changed = (text: string) => {
      const statement = JSON.parse(text);
      const [line, ...rest] = statement.transactions;
      if (line === undefined) return text;
      const times = (factor: number) => ({ ...line.amount, value: Math.round(line.amount.value * factor * 100) / 100 });
      const refund = { ...line, type: line.type === "DEBIT" ? "CREDIT" : "DEBIT", amount: times(-1) };
      // The same number, direction and time, and another line all the same.
      const twin = { ...line, amount: times(2) };
      return JSON.stringify({ ...statement, transactions: [line, twin, refund, line, ...rest] });
    };
    const plain = await run(grant, "", { from: ago(20) });
    const { transactions } = await run(grant, "", { from: ago(20), by: watching(() => undefined, changed) });
    const byId = new Map(transactions.map((each) => [each.transactionId, each.amountMinor]));
    expect(byId.size).toBe(transactions.length);
    const extra = [...byId.keys()].filter((id) => !ids(plain).includes(id));
    const twins = extra.filter((id) => id.endsWith(":2"));
    expect([extra.length % 2, twins.length]).toEqual([0, extra.length / 2]);
    expect(twins.length).toBeGreaterThan(0);
    for (const twin of twins) {
      const own = byId.get(twin.slice(0, -2));
      expect(byId.get(twin)).toBe(2n * must(own));
      const refund = twin
        .slice(0, -2)
        .replace(/:(CREDIT|DEBIT):/, (part) => (part === ":CREDIT:" ? ":DEBIT:" : ":CREDIT:"));
      expect(byId.get(refund)).toBe(-must(own));
    }
  });

  it("whose amount cannot be told exactly, or whose sign contradicts, are an outage", async () => {
    const grant = await world.connect();
    for (const change of [
      (text: string) => text.replace(/"value":(-?\d+)\.(\d\d?)\b/, '"value":$1.$2345'),
      (text: string) => text.replace('"type":"DEBIT"', '"type":"CREDIT"'),
      (text: string) => text.replace('"referenceNumber":"', '"referenceNumber":"", "x":"'),
    ]) {
      const odd = run(grant, "", { from: ago(60), by: watching(() => undefined, change) });
      await expect(odd).rejects.toMatchObject({ failure: "unavailable" });
    }
  });

  it("keep an amount that no float holds", async () => {
    const grant = await world.connect();
    const amount = /("type":"CREDIT","date":"[^"]+","amount":\{"value":)[\d.]+/;
    const change = (text: string) => text.replace(amount, (_all, before) => `${before}90071992547409.93`);
    const { transactions } = await run(grant, "", { from: ago(60), by: watching(() => undefined, change) });
    expect(transactions.map((each) => each.amountMinor)).toContain(9_007_199_254_740_993n);
  });

  it("begin again with a cursor of another release, and are none when the clock was set back", async () => {
    const grant = await world.connect();
    const sync = must(world.connector.syncTransactions);
    const odd = await sync(accessOf(grant), { cursor: '{"v":2}', from: ago(30) }, world.call());
    expect(odd).toMatchObject({ restart: "beginning", added: [], nextCursor: "" });
    const { cursor } = await run(grant, "", { from: ago(30) });
    const past = { now: ago(1), timeoutMs: 5_000 };
    const back = await sync(accessOf(grant), { cursor, from: ago(30) }, past);
    expect(back.hasMore).toBe(false);
    const after = await run(grant, back.nextCursor, { from: ago(30) });
    expect(after.transactions.length).toBeGreaterThan(0);
  });

  it.each([
    [{ kind: "half" }, "unavailable"],
    [{ kind: "html", status: 200 }, "unavailable"],
    [{ kind: "rate_limit" }, "rate_limited"],
    [{ kind: "provider_error", code: "invalid_token" }, "unauthorized"],
  ])("are told by no part of a page that fails by %j", async (how, failure) => {
    const grant = await world.connect();
    await world.wise.control("POST", "/faults", { path: statementPath, ...how });
    await expect(run(grant)).rejects.toMatchObject({ failure });
    expect((await run(grant)).transactions.length).toBeGreaterThan(700);
  });
});

describe("a strong authentication", () => {
  const statuses = async () => {
    const { body } = await world.wise.control("GET", `/calls?path=${statementPath}`);
    return (body["calls"] as { status: number }[]).map((each) => each.status);
  };

  it("is proved by our key where Wise asks for one: once, and the statements follow", async () => {
    const grant = await world.connect({ username: "oliver" });
    expect((await run(grant, "", { from: ago(30) })).transactions.length).toBeGreaterThan(0);
    expect(await statuses()).toEqual([403, 200, 200, 200]);
  });

  it("that cannot be proved limits statements alone: without a key, with another one, under another header", async () => {
    const grant = await world.connect({ username: "oliver" });
    const { WISE_SCA_KEY_FILE: keyFile, ...without } = world.env;
    const others = [
      without,
      { ...without, WISE_SCA_KEY_FILE: must(keyFile), WISE_SCA_SIGNATURE_HEADER: "X-Other-Signature" },
    ];
    for (const env of others) {
      const by = must(makeConnector(world.http, { env }));
      await expect(run(grant, "", { by })).rejects.toMatchObject({ failure: "scope_limited" });
      expect((await by.listAccounts(accessOf(grant), world.call())).length).toBe(3);
    }
    await world.wise.control("PATCH", "/settings", { strongAuthentication: "never" });
    const by = must(makeConnector(world.http, { env: without }));
    expect((await run(grant, "", { by, from: ago(30) })).transactions.length).toBeGreaterThan(0);
  });

  it("signs nothing that is not a one-time token", async () => {
    const grant = await world.connect({ username: "oliver" });
    const http: ProviderHttp = {
      ...world.http,
      send: async (request, call) => {
        const answer = await world.http.send(request, call);
        const asked = answer.headers["x-2fa-approval"];
        if (asked === undefined) return answer;
        return { ...answer, headers: { ...answer.headers, "x-2fa-approval": `${asked} and pay everything out` } };
      },
    };
    const by = must(makeConnector(http, { env: world.env }));
    await expect(run(grant, "", { by })).rejects.toMatchObject({ failure: "scope_limited" });
    expect(await statuses()).toEqual([403]);
  });
});
