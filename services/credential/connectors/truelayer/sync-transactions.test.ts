import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ConnectionAccess, Connector } from "../connector.ts";
import type { ProviderTransaction, TransactionPage } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { answerTooLarge, type ProviderHttp, type ProviderRequest } from "../provider-http.ts";
import { readCursor } from "./sync-cursor.ts";
import {
  accessOf,
  environmentFor,
  makeConnector,
  must,
  startTrueLayerWorld,
  type TrueLayerWorld,
} from "./testing/truelayer-world.ts";
import { readBooked } from "./transactions.ts";
import { createTrueLayerApi } from "./truelayer-api.ts";

const dayMs = 86_400_000;
const from = new Date(0);
const booked = "/data/v1/accounts/:accountId/transactions";
const bookedOnCards = "/data/v1/cards/:accountId/transactions";
let world: TrueLayerWorld;
let access: ConnectionAccess;
beforeAll(async () => {
  world = await startTrueLayerWorld();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  await world.sandbox.control("DELETE", "/faults");
  access = accessOf(await world.connect());
});

const fault = (body: object) => world.sandbox.control("POST", "/faults", body);

interface SyncOptions {
  since?: Date;
  connector?: Connector;
  access?: ConnectionAccess;
  timeoutMs?: number;
}

function sync(cursor: string, options: SyncOptions = {}) {
  const { syncTransactions } = options.connector ?? world.connector;
  const page = { cursor, from: options.since ?? from };
  return must(syncTransactions)(options.access ?? access, page, world.call(options.timeoutMs));
}

interface Run {
  readonly pages: readonly TransactionPage[];
  /** What a reader holds that knew nothing before. */
  readonly lines: ReadonlyMap<string, ProviderTransaction>;
  readonly removed: readonly string[];
  readonly cursor: string;
}

/** A whole run. */
async function syncAll(cursor = "", options: SyncOptions = {}): Promise<Run> {
  const pages: TransactionPage[] = [];
  const lines = new Map<string, ProviderTransaction>();
  for (let next = cursor; ; ) {
    const page = await sync(next, options);
    expect(page.nextCursor.length).toBeLessThanOrEqual(4_096);
    if (page.hasMore) expect(page.nextCursor).not.toBe(next);
    pages.push(page);
    for (const each of [...page.added, ...page.changed]) lines.set(each.transactionId, each);
    next = page.nextCursor;
    if (!page.hasMore) return { pages, lines, removed: pages.flatMap((each) => each.removed), cursor: next };
    if (pages.length > 50) throw new Error("it pages without end");
  }
}

/** An HTTP client whose answers are changed on their way. */
function changing(change: (request: ProviderRequest, text: string) => string): ProviderHttp {
  return {
    send: async (request, call) => {
      const response = await world.http.send(request, call);
      return { ...response, text: change(request, response.text) };
    },
    close: async () => undefined,
  };
}

const connectorOver = (http: ProviderHttp) => must(makeConnector(http, { env: environmentFor(world.sandbox.origin) }));

describe("transactions at TrueLayer", () => {
  it("come with a history, money that leaves as a negative amount on accounts and cards alike", async () => {
    const { pages, lines } = await syncAll();
    expect(pages.length).toBe(1);
    const all = [...lines.values()];
    const ages = all.map((each) => world.sandbox.clock.now().getTime() - each.postedAt.getTime());
    expect(Math.max(...ages)).toBeGreaterThan(170 * dayMs);
    const find = (text: RegExp) => must(all.find((each) => text.test(each.description))).amountMinor;
    expect(find(/RIVERSIDE LETTINGS/)).toBe(-98_000n);
    expect(find(/SALARY/)).toBe(284_500n);
    expect(find(/PAYMENT RECEIVED THANK YOU/)).toBeGreaterThan(0n);
    const cardId = await world.accountId({ kind: "card" });
    const bought = all.filter((each) => each.accountId === cardId && each.category === "PURCHASE");
    expect(bought.length).toBeGreaterThan(50);
    expect(bought.every((each) => each.amountMinor < 0n)).toBe(true);
  });

  it("are read again only from shortly before the last run, and new ones arrive", async () => {
    const first = await syncAll();
    await world.sandbox.control("DELETE", "/calls");
    const accountId = await world.accountId({ kind: "current" });
    world.sandbox.clock.advance(2_000);
    await world.post({ accountId, amount: -12.34, description: "A NEW LINE" });
    world.sandbox.clock.advance(2_000);
    const second = await syncAll(first.cursor);
    expect(second.pages.length).toBe(1);
    const fresh = [...second.lines.values()].filter((each) => !first.lines.has(each.transactionId));
    expect(fresh).toMatchObject([{ description: "A NEW LINE", amountMinor: -1_234n, status: "posted", accountId }]);
    const oldest = Math.min(...[...second.lines.values()].map((each) => each.postedAt.getTime()));
    expect(world.sandbox.clock.now().getTime() - oldest).toBeLessThan(11 * dayMs);
    // Banks book late, so that what is a week old is looked at once more.
    expect(world.sandbox.clock.now().getTime() - oldest).toBeGreaterThan(7 * dayMs);
    const { calls } = (await world.sandbox.control("GET", "/calls")).body as { calls: object[] };
    // One list of accounts, one of cards; booked and pending lines of three accounts.
    expect(calls.length).toBe(8);
  });

  it("come page by page where answers are slow, and are the same then", async () => {
    const whole = await syncAll();
    await fault({ kind: "latency", ms: 60, path: booked, times: 100 });
    const slow = await syncAll("", { timeoutMs: 400 });
    expect(slow.pages.length).toBeGreaterThan(2);
    expect([...slow.lines.keys()].sort()).toEqual([...whole.lines.keys()].sort());
    expect(slow.removed).toEqual([]);
  });

  it("begin where the caller wants them to", async () => {
    const since = new Date(world.sandbox.clock.now().getTime() - 20 * dayMs);
    const { lines } = await syncAll("", { since });
    expect(lines.size).toBeGreaterThan(10);
    expect([...lines.values()].filter((each) => each.status === "posted").every((each) => each.postedAt >= since)).toBe(
      true,
    );
  });

  it("keep their id from pending to booked, and one that vanishes is taken back", async () => {
    const accountId = await world.accountId({ kind: "savings" });
    const [one, two] = [`ONE ${crypto.randomUUID()}`, `TWO ${crypto.randomUUID()}`];
    await world.post({ accountId, amount: -5, description: one, pending: true });
    const first = await syncAll();
    const pending = must([...first.lines.values()].find((each) => each.description === one));
    expect(pending.status).toBe("pending");
    // Unbooked, still pending: told once more, not taken back.
    const still = await syncAll(first.cursor);
    expect(still.removed).toEqual([]);
    expect(still.lines.get(pending.transactionId)?.status).toBe("pending");
    world.sandbox.clock.advance(10 * dayMs);
    const tokens = await world.connect();
    const later = await syncAll(still.cursor, { access: accessOf(tokens) });
    expect(later.lines.get(pending.transactionId)?.status).toBe("posted");
    expect(later.removed).toEqual([]);
    const forgetting = connectorOver(
      changing((request, text) => (request.url.endsWith("/pending") ? '{"results":[]}' : text)),
    );
    await world.post({ accountId, amount: -6, description: two, pending: true });
    const told = await syncAll(later.cursor, { access: accessOf(tokens) });
    const gone = must([...told.lines.values()].find((each) => each.description === two));
    const after = await syncAll(told.cursor, { access: accessOf(tokens), connector: forgetting });
    expect(after.removed).toContain(gone.transactionId);
    expect((await syncAll(after.cursor, { access: accessOf(tokens), connector: forgetting })).removed).toEqual([]);
  });

  it("of the further past are left out where a bank shows them only beside its user", async () => {
    access = accessOf(await world.connect({ providerId: "ob-heron" }));
    const recent = (lines: ReadonlyMap<string, ProviderTransaction>) =>
      Math.max(...[...lines.values()].map((each) => world.sandbox.clock.now().getTime() - each.postedAt.getTime()));
    expect(recent((await syncAll()).lines)).toBeGreaterThan(170 * dayMs);
    await world.sandbox.control("PATCH", "/settings", { scaSeconds: 60 });
    world.sandbox.clock.advance(61_000);
    const { lines } = await syncAll();
    await world.sandbox.control("PATCH", "/settings", { scaSeconds: 3_600 });
    expect(recent(lines)).toBeLessThan(90 * dayMs);
    expect(lines.size).toBeGreaterThan(20);
  });

  it("of an account its bank shows only beside its user are read by a later run, from where they were left", async () => {
    const first = await syncAll();
    world.sandbox.clock.advance(1_000);
    await fault({ kind: "provider_error", code: "sca_exceeded", path: bookedOnCards });
    const limited = await syncAll(first.cursor);
    expect(readCursor(limited.cursor)?.readUntil).toBe(readCursor(first.cursor)?.readUntil);
    expect(limited.removed).toEqual([]);
    world.sandbox.clock.advance(1_000);
    const whole = await syncAll(limited.cursor);
    expect(must(readCursor(whole.cursor)?.readUntil)).toBeGreaterThan(must(readCursor(first.cursor)?.readUntil));
    await fault({ kind: "provider_error", code: "sca_exceeded", path: bookedOnCards });
    await fault({ kind: "provider_error", code: "sca_exceeded", path: booked, times: 2 });
    await expect(syncAll(whole.cursor)).rejects.toMatchObject({ failure: "scope_limited" });
  });

  it("go on with the accounts that are known where a bank lists them only beside its user", async () => {
    const first = await syncAll();
    await fault({ kind: "provider_error", code: "sca_exceeded", path: "/data/v1/accounts" });
    const second = await syncAll(first.cursor);
    expect(new Set([...second.lines.values()].map((each) => each.accountId)).size).toBe(3);
    await fault({ kind: "provider_error", code: "sca_exceeded", path: "/data/v1/accounts" });
    await expect(syncAll()).rejects.toMatchObject({ failure: "scope_limited" });
  });

  it("of an account that was closed are taken back where they were pending, and the others go on", async () => {
    const accountId = await world.accountId({ kind: "card" });
    await world.post({ accountId, amount: 7, description: "PENDING ON THE CARD", pending: true });
    const first = await syncAll();
    const pending = [...first.lines.values()].filter(
      (each) => each.status === "pending" && each.accountId === accountId,
    );
    await fault({ kind: "provider_error", code: "endpoint_not_supported", path: "/data/v1/cards" });
    const second = await syncAll(first.cursor);
    expect(new Set(second.removed)).toEqual(new Set(pending.map((each) => each.transactionId)));
    await fault({ kind: "provider_error", code: "account_not_found", path: booked });
    const third = await syncAll(second.cursor);
    expect(new Set([...third.lines.values()].map((each) => each.accountId)).size).toBe(2);
  });
});

describe("transactions of TrueLayer on a bad day", () => {
  it("with a cursor of another release begin at the beginning", async () => {
    for (const cursor of ["nonsense", '{"v":2}', '{"v":1,"a":[["x1",[]]]}']) {
      expect(await sync(cursor)).toMatchObject({ restart: "beginning", added: [] });
    }
  });

  it("without the further past, as the bank does not go back so far, are read from where it does", async () => {
    await fault({ kind: "provider_error", code: "invalid_date_range", path: booked });
    await fault({ kind: "provider_error", code: "invalid_date_range", path: bookedOnCards });
    const { lines } = await syncAll();
    expect(new Set([...lines.values()].map((each) => each.accountId)).size).toBe(3);
  });

  it.each([
    [{ kind: "html" }, "unavailable"],
    [{ kind: "half" }, "unavailable"],
    [{ kind: "rate_limit", retryAfterSeconds: 3 }, "rate_limited"],
    [{ kind: "provider_error", code: "invalid_token" }, "unauthorized"],
    [{ kind: "provider_error", code: "access_denied" }, "reauthorize"],
  ])("fail with %j as %s, and a repeat of the page is whole", async (kind, failure) => {
    await fault({ path: booked, ...kind });
    await expect(sync("")).rejects.toMatchObject({ failure });
    expect((await sync("")).added.length).toBeGreaterThan(100);
  });

  it("that come twice, once more as pending, are one, and booked", async () => {
    const twice = connectorOver(
      changing((request, text) => {
        if (!/transactions/.test(request.url)) return text;
        const { results } = JSON.parse(text) as { results: object[] };
        return JSON.stringify({ results: [...results, ...results] });
      }),
    );
    let last = "";
    const both = connectorOver(
      changing((request, text) => {
        if (/transactions\?/.test(request.url)) last = text;
        return request.url.endsWith("/pending") ? last : text;
      }),
    );
    const once = await syncAll();
    const doubled = await syncAll("", { connector: twice });
    expect(doubled.lines.size).toBe(once.lines.size);
    const [page] = (await syncAll(once.cursor, { connector: both })).pages;
    expect(must(page).added.every((each) => each.status === "posted")).toBe(true);
  });

  it.each([
    ["an amount that is no number", (line: Line) => ({ ...line, amount: "12,30" })],
    ["an amount with more decimals than pounds have", (line: Line) => ({ ...line, amount: 12.345 })],
    ["a time that is none", (line: Line) => ({ ...line, timestamp: "yesterday" })],
    ["a type nobody knows", (line: Line) => ({ ...line, transaction_type: "SIDEWAYS" })],
    ["no id", ({ transaction_id: _, ...line }: Line) => line],
  ])("with %s are no answer", async (_what, change) => {
    const spoilt = connectorOver(changing((request, text) => changeFirst(request, text, change)));
    await expect(sync("", { connector: spoilt })).rejects.toMatchObject({ failure: "unavailable" });
  });

  it.each([
    [
      "a float's artefact",
      // 0.1 + 0.2, as a program wrote it that adds in floats.
      (line: Line) => ({ ...line, transaction_type: "DEBIT", amount: 0.1 + 0.2 }),
      { amountMinor: -30n },
    ],
    [
      "a time without an offset",
      (line: Line) => ({ ...line, timestamp: "2025-01-02T03:04:05" }),
      "2025-01-02T03:04:05Z",
    ],
    ["a day", (line: Line) => ({ ...line, timestamp: "2025-01-02" }), "2025-01-02T00:00:00Z"],
    [
      "the bank's id alone",
      (line: Line) => ({ ...line, normalised_provider_transaction_id: null, provider_transaction_id: "b-1" }),
      { transactionId: expect.stringMatching(/^[0-9a-f]{32}:b-1$/) },
    ],
  ])("with %s are read", async (_what, change, expected) => {
    const marked = (line: Line) => ({ ...change(line), merchant_name: "MARKED" });
    const connector = connectorOver(changing((request, text) => changeFirst(request, text, marked)));
    const line = must((await sync("", { connector })).added.find((each) => each.description === "MARKED"));
    expect(line).toMatchObject(typeof expected === "string" ? { postedAt: new Date(expected) } : expected);
  });

  it("in a currency nobody knows are left out", async () => {
    const strange = (line: Line) => ({ ...line, currency: "XBT", merchant_name: "MARKED" });
    const connector = connectorOver(changing((request, text) => changeFirst(request, text, strange)));
    const { added } = await sync("", { connector });
    expect(added.some((each) => each.description === "MARKED")).toBe(false);
    expect(added.length).toBeGreaterThan(100);
  });

  it("too many for one answer are read in smaller spans", async () => {
    const spans: number[] = [];
    const narrow: ProviderHttp = {
      ...world.http,
      send: async (request, call) => {
        const query = new URL(request.url).searchParams;
        const length = Date.parse(query.get("to") ?? "") - Date.parse(query.get("from") ?? "");
        if (length > 30 * dayMs) throw new ProviderError("unavailable", { detail: answerTooLarge });
        if (length > 0) spans.push(length);
        return await world.http.send(request, call);
      },
    };
    const whole = await syncAll();
    const parts = await syncAll("", { connector: connectorOver(narrow) });
    expect(spans.length).toBeGreaterThan(60);
    expect([...parts.lines.keys()].sort()).toEqual([...whole.lines.keys()].sort());
    const api = createTrueLayerApi({
      http: { ...narrow, send: () => Promise.reject(new ProviderError("unavailable", { detail: answerTooLarge })) },
      hosts: { auth: "", data: "", keys: "" },
      clientId: "",
      clientSecret: "",
    });
    const reading = { api, access, account: { accountId: "a", kind: "account" } } as const;
    await expect(readBooked(reading, { from: 0, to: 90 * dayMs }, () => world.call())).rejects.toThrow(ProviderError);
  });
});

type Line = Readonly<Record<string, unknown>>;

/** Changes the first line of a list of booked ones. */
function changeFirst(request: ProviderRequest, text: string, change: (line: Line) => object): string {
  if (!/accounts\/[^/]+\/transactions\?/.test(request.url)) return text;
  const { results } = JSON.parse(text) as { results: Line[] };
  return JSON.stringify({ results: results.map((line, index) => (index === 0 ? change(line) : line)) });
}
