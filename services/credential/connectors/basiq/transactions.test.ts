import { afterEach, describe, expect, it } from "vitest";
import { setUp } from "../../../platform/testing/set-up.ts";
import { visitConsent } from "../../../sandbox/basiq/testing/start-basiq.ts";
import { fetchChanges } from "../../flows/fetch-changes.ts";
import type { ConnectionAccess } from "../connector.ts";
import { accessOf, type BasiqWorld, must, start, startBasiqWorld } from "./testing/basiq-world.ts";

let its: BasiqWorld;

/** Of somebody to whom nothing happens. */
let calm: ConnectionAccess;

setUp(async () => {
  its = await startBasiqWorld();
  calm = await connected();
  return () => its.stop();
});
afterEach(async () => {
  await its.basiq.control("DELETE", "/faults");
  await its.basiq.control("PATCH", "/settings", { paging: "true", pageSizeMax: 500 });
});

async function connected(): Promise<ConnectionAccess> {
  return accessOf(await its.connect());
}

/** As a run of the service does. */
const fetchAll = (access: ConnectionAccess, cursor = "") =>
  fetchChanges(cursor, async (at) =>
    must(await its.connector.syncTransactions?.(access, { cursor: at, from: its.from }, its.call())),
  );

async function add(access: ConnectionAccess, transaction: object): Promise<void> {
  const path = `/connections/${await its.connectionId(access.accessToken)}/transactions`;
  const { body } = await its.basiq.control("POST", path, transaction);
  await its.basiq.jobOver(String(body["jobId"]));
}

describe("transactions of Basiq", () => {
  it("come in pages, once each, money out below zero, and the next run reads the last days alone", async () => {
    const access = await connected();
    const first = await fetchAll(access);
    expect(first.saved.length).toBeGreaterThan(400);
    expect(first.pages).toBeGreaterThan(2);
    expect(new Set(first.saved.map((each) => each.transactionId)).size).toBe(first.saved.length);
    const pay = must(first.saved.find((each) => each.description.includes("SALARY")));
    const rent = must(first.saved.find((each) => each.description.includes("REALTY")));
    expect([pay.amountMinor, rent.amountMinor]).toEqual([724_000n, -268_000n]);
    const bought = must(first.saved.find((each) => each.description === "RED DIRT FUEL"));
    expect(bought).toMatchObject({ currency: "AUD", category: "Fuel Retailing" });
    expect(bought.amountMinor).toBeLessThan(0n);
    await add(access, { minor: 4_200, description: "FRESH" });
    const second = await fetchAll(access, first.cursor);
    expect(second.saved.some((each) => each.description === "FRESH" && each.amountMinor === 4_200n)).toBe(true);
    expect(second.saved.length).toBeLessThan(100);
    const oldest = Math.min(...second.saved.map((each) => each.postedAt.getTime()));
    expect(oldest).toBeGreaterThan(its.basiq.clock.now().getTime() - 20 * 86_400_000);
  });

  it("that were pending are taken back when their id is gone, and told of by the new one", async () => {
    const access = await connected();
    const { cursor } = await fetchAll(access);
    await add(access, { minor: -1_500, description: "WAITS", pending: true });
    const told = await fetchAll(access, cursor);
    const before = must(told.saved.find((each) => each.description === "WAITS"));
    expect(before.status).toBe("pending");
    await add(access, { minor: -100, description: "OTHER" });
    const later = await fetchAll(access, told.cursor);
    const after = must(later.saved.find((each) => each.description === "WAITS"));
    expect(after.transactionId).not.toBe(before.transactionId);
    expect(later.removed).toContain(before.transactionId);
    // A day and some hours later it is posted.
    its.basiq.clock.advance(30 * 3_600_000);
    await add(access, { minor: -100, description: "THIRD" });
    const end = await fetchAll(access, later.cursor);
    expect(end.removed).toContain(after.transactionId);
    expect(end.saved.filter((each) => each.description === "WAITS").map((each) => each.status)).toEqual(["posted"]);
    its.basiq.clock.advance(-30 * 3_600_000);
  });

  it("of a bank that Basiq could not ask for weeks are read without a gap once it can", async () => {
    const access = await connected();
    const silent = await its.connectionId(access.accessToken);
    const { body } = await its.basiq.ask("POST", `/users/${access.accessToken}/auth_link`, {});
    const { public: link } = body["links"] as { public: string };
    const second = await visitConsent(`${link}?institutionId=AU90001`);
    await its.basiq.jobOver(second.get("jobIds") ?? "");
    const { cursor } = await fetchAll(access);
    await its.basiq.control("POST", `/connections/${silent}/invalidate`);
    its.basiq.clock.advance(60 * 86_400_000);
    const refreshed = async () => {
      const answer = await its.basiq.ask("POST", `/users/${access.accessToken}/connections/refresh`);
      for (const job of answer.body["data"] as { id: string }[]) await its.basiq.jobOver(job.id);
    };
    await refreshed();
    const meanwhile = await fetchAll(access, cursor);
    expect(meanwhile.saved.length).toBeGreaterThan(50);
    await its.basiq.control("POST", `/connections/${silent}/activate`);
    await refreshed();
    const { saved } = await fetchAll(access, meanwhile.cursor);
    const filter = encodeURIComponent(`connection.id.eq('${silent}')`);
    const accounts = (await its.basiq.ask("GET", `/users/${access.accessToken}/accounts?filter=${filter}`)).body[
      "data"
    ];
    const ids = (accounts as { id: string }[]).map(({ id }) => id);
    const days = saved.filter((each) => ids.includes(each.accountId)).map((each) => each.postedAt.toISOString());
    expect(new Set(days.map((each) => each.slice(0, 10))).size).toBeGreaterThan(45);
    its.basiq.clock.advance(-60 * 86_400_000);
  });

  it("of a user none of whose connections work need him", async () => {
    const access = await connected();
    const { cursor } = await fetchAll(access);
    await its.basiq.control("POST", `/connections/${await its.connectionId(access.accessToken)}/invalidate`);
    await expect(fetchAll(access, cursor)).rejects.toMatchObject({ failure: "reauthorize" });
  });

  it("are asked for at the bank when Basiq has not for half a day, once", async () => {
    const access = await connected();
    const refreshes = async () => {
      const path = encodeURIComponent("/users/:userId/connections/:connectionId/refresh");
      const { body } = await its.basiq.control("GET", `/calls?path=${path}`);
      return (body["calls"] as { subject: string }[]).filter(({ subject }) => subject === access.accessToken).length;
    };
    const { cursor } = await fetchAll(access);
    expect(await refreshes()).toBe(0);
    its.basiq.clock.advance(13 * 3_600_000);
    await fetchAll(access, cursor);
    expect(await refreshes()).toBe(1);
    await its.basiq.webhook("transactions.updated", access.accessToken);
    await its.basiq.webhook("transactions.updated", access.accessToken);
    await fetchAll(access, cursor);
    expect(await refreshes()).toBe(1);
    its.basiq.clock.advance(-13 * 3_600_000);
  });

  it("begin at the beginning where another connection took the old one's place", async () => {
    const grant = await its.connect();
    const access = accessOf(grant);
    const { cursor, saved } = await fetchAll(access);
    await its.basiq.control("POST", `/users/${grant.accessToken}/consent-end`, { inSeconds: -1 });
    await its.basiq.webhook("consent.expired", grant.accessToken);
    const begun = await its.connector.begin({ ...start, reconnect: access }, its.call());
    const back = await visitConsent(begun.authUrl ?? "", { bank: "Hooli Bank" });
    await its.basiq.jobOver(back.get("jobIds") ?? "");
    const page = await its.connector.syncTransactions?.(access, { cursor, from: its.from }, its.call());
    expect(page).toMatchObject({ restart: "beginning", added: [] });
    const again = await fetchAll(access, cursor);
    expect(Math.abs(again.saved.length - saved.length)).toBeLessThan(10);
  });

  it("begin at the beginning with a cursor nobody here wrote", async () => {
    const page = await its.connector.syncTransactions?.(
      calm,
      { cursor: "of another release", from: its.from },
      its.call(),
    );
    expect(page).toMatchObject({ restart: "beginning" });
  });
});

describe("Basiq's pages on a bad day", () => {
  it("that lead in a circle end the run", async () => {
    await its.basiq.control("PATCH", "/settings", { paging: "loop", pageSizeMax: 50 });
    await expect(fetchAll(calm)).rejects.toMatchObject({
      reason: "PROVIDER_UNAVAILABLE",
      facts: { why: "cursor_loop" },
    });
  });

  it("that show some lines twice store them once", async () => {
    const right = (await fetchAll(calm)).saved.map((each) => each.transactionId).sort();
    await its.basiq.control("PATCH", "/settings", { paging: "duplicates", pageSizeMax: 50 });
    expect((await fetchAll(calm)).saved.map((each) => each.transactionId).sort()).toEqual(right);
  });

  it("that lead to another host are not followed: our token would go along", async () => {
    await its.basiq.control("PATCH", "/settings", { paging: "elsewhere", pageSizeMax: 50 });
    await expect(fetchAll(calm)).rejects.toMatchObject({
      failure: "unavailable",
      detail: "the next page is elsewhere",
    });
  });

  it.each([{ kind: "half" }, { kind: "html", status: 200 }, { kind: "empty" }, { kind: "server_error", status: 503 }])(
    "one of which is %j fails the run, whose repeat is whole",
    async (kind) => {
      const { cursor } = await fetchAll(calm);
      await its.basiq.control("POST", "/faults", { path: "/users/:userId/transactions", ...kind });
      await expect(fetchAll(calm)).rejects.toMatchObject({ failure: "unavailable" });
      expect((await fetchAll(calm)).cursor).toBe(cursor);
    },
  );
});
