import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FormBrowser } from "../../platform/testing/form-browser.ts";
import type { Answer } from "../kit/testing/start-in-test.ts";
import {
  askToken,
  connectUser,
  type RunningBasiq,
  startBasiq,
  verifyStandard,
  visitConsent,
} from "./testing/start-basiq.ts";

let basiq: RunningBasiq;

beforeAll(async () => {
  basiq = await startBasiq();
});
afterAll(async () => basiq?.stop());

type Item = Record<string, unknown> & { id: string };

/** The items of a list, which the API always calls so. */
const dataOf = (answer: Answer) => answer.body["data"] as Item[];
const codesOf = (answer: Answer) => dataOf(answer).map((each) => each["code"]);

async function linkOf(userId: string): Promise<string> {
  const { body } = await basiq.ask("POST", `/users/${userId}/auth_link`, {});
  return (body["links"] as { public: string }).public;
}

async function pagesOf(userId: string, filter = "", limit = 500): Promise<Item[][]> {
  const pages: Item[][] = [];
  let path = `/users/${userId}/transactions?limit=${limit}&filter=${encodeURIComponent(filter)}`;
  for (;;) {
    const answer = await basiq.ask("GET", path);
    expect(answer.status).toBe(200);
    pages.push(dataOf(answer));
    const { next } = answer.body["links"] as { next?: string };
    if (next === undefined) return pages;
    path = next.slice(basiq.origin.length);
  }
}

describe("tokens", () => {
  it("are given for the API key, for an hour, and open the API", async () => {
    const answer = await askToken(basiq, "scope=SERVER_ACCESS");
    expect(answer.body).toMatchObject({ token_type: "Bearer", expires_in: 3600 });
    expect((await basiq.ask("GET", "/connectors", undefined, String(answer.body["access_token"]))).status).toBe(200);
    basiq.clock.advance(3_601_000);
    const late = await basiq.ask("GET", "/connectors", undefined, String(answer.body["access_token"]));
    expect(late.status).toBe(401);
    expect(codesOf(late)).toEqual(["invalid-authorization-token"]);
    basiq.clock.advance(-3_601_000);
  });

  it("are refused to a wrong key, another version and an unknown user, as an error list with a correlation id", async () => {
    const wrong = await askToken(basiq, "scope=SERVER_ACCESS", { authorization: "Basic nobody" });
    expect(wrong.status).toBe(401);
    expect(wrong.body).toMatchObject({ type: "list", correlationId: wrong.headers.get("x-request-id") });
    expect(codesOf(wrong)).toEqual(["invalid-credentials"]);
    const old = await askToken(basiq, "scope=SERVER_ACCESS", { "basiq-version": "2.1" });
    expect(dataOf(old)[0]).toMatchObject({ code: "parameter-not-valid", source: { parameter: "basiq-version" } });
    expect((await askToken(basiq, "scope=CLIENT_ACCESS&userId=nobody")).status).toBe(404);
  });

  it("are refused beyond a minute's share", async () => {
    await basiq.control("PATCH", "/settings", { tokensPerMinuteMax: 1 });
    basiq.clock.advance(61_000);
    const answers = await Promise.all([1, 2, 3].map(() => askToken(basiq, "scope=SERVER_ACCESS")));
    expect(answers.map((each) => each.status).sort()).toEqual([200, 429, 429]);
    await basiq.control("PATCH", "/settings", { tokensPerMinuteMax: 10_000 });
  });

  it("of a client open one user and nothing that changes", async () => {
    const [his, other] = [await basiq.newUser(), await basiq.newUser()];
    const { body } = await askToken(basiq, `scope=CLIENT_ACCESS&userId=${his}`);
    const token = String(body["access_token"]);
    expect((await basiq.ask("GET", `/users/${his}`, undefined, token)).status).toBe(200);
    expect((await basiq.ask("GET", `/users/${other}`, undefined, token)).status).toBe(403);
    expect((await basiq.ask("DELETE", `/users/${his}`, undefined, token)).status).toBe(403);
    expect((await basiq.ask("GET", `/users/${his}/transactions`, undefined, token)).status).toBe(403);
  });
});

describe("a consent", () => {
  it("leads from an auth link to a connection, a job of three steps, accounts and a year of transactions", async () => {
    const { userId, connectionId, jobId } = await connectUser(basiq);
    const job = (await basiq.ask("GET", `/jobs/${jobId}`)).body;
    expect(job["steps"]).toMatchObject([
      { title: "verify-credentials", result: { type: "link" } },
      { title: "retrieve-accounts", result: { type: "link" } },
      { title: "retrieve-transactions", status: "success" },
    ]);
    expect(job["links"]).toMatchObject({ source: `${basiq.origin}/users/${userId}/connections/${connectionId}` });
    const accounts = dataOf(await basiq.ask("GET", `/users/${userId}/accounts`));
    expect(accounts.map((each) => each["class"])).toMatchObject([
      { type: "transaction" },
      { type: "savings" },
      { type: "credit-card" },
    ]);
    expect(accounts.every((each) => /^-?\d+\.\d\d$/.test(String(each["balance"])))).toBe(true);
    const transactions = (await pagesOf(userId)).flat();
    expect(transactions.length).toBeGreaterThan(400);
    const posted = transactions.filter((each) => each["status"] === "posted").map((each) => String(each["postDate"]));
    expect(Date.parse(posted.toSorted()[0] ?? "")).toBeLessThan(basiq.clock.now().getTime() - 350 * 86_400_000);
  });

  it("by the consent UI brings the state back; the link of a consent works once", async () => {
    const userId = await basiq.newUser();
    const { body } = await askToken(basiq, `scope=CLIENT_ACCESS&userId=${userId}`);
    const home = `${basiq.origin}/home?token=${String(body["access_token"])}&state=s-1&institutionId=AU90001`;
    const back = await visitConsent(home, { loginId: "richard", password: "tabsnotspaces" });
    expect(back.get("state")).toBe("s-1");
    const job = await basiq.jobOver(back.get("jobIds") ?? "");
    expect(job["type"]).toBe("job");
    const link = await linkOf(userId);
    await visitConsent(`${link}?institutionId=AU90001`);
    expect((await basiq.call(new URL(link).pathname)).status).toBe(404);
  });

  it("a new link makes the last one invalid", async () => {
    const userId = await basiq.newUser();
    const first = await linkOf(userId);
    await linkOf(userId);
    expect((await basiq.call(new URL(first).pathname)).status).toBe(404);
  });

  it("is not given by who leaves, by a wrong password, nor twice by one page", async () => {
    const userId = await basiq.newUser();
    const left = await visitConsent(`${await linkOf(userId)}?state=s-2`, { button: "Cancel" });
    expect([...left.keys()]).toEqual(["state"]);
    const browser = new FormBrowser();
    let page = await browser.open(`${await linkOf(userId)}?institutionId=AU00000`);
    for (let attempt = 0; attempt < 5; attempt += 1) {
      page = await browser.press(page, "Sign in", { "User name": "gavinBelson", Password: "wrong" });
      expect(page.text).toContain("is not right");
    }
    page = await browser.press(page, "Sign in", { "User name": "gavinBelson", Password: "hooli2016" });
    expect(page.status).toBe(429);
    expect(dataOf(await basiq.ask("GET", `/users/${userId}/connections`))).toEqual([]);
  });

  it("allowed twice from one page makes one connection", async () => {
    const userId = await basiq.newUser();
    const browser = new FormBrowser();
    let page = await browser.open(`${await linkOf(userId)}?institutionId=AU00000`);
    page = await browser.press(page, "Sign in", { "User name": "gavinBelson", Password: "hooli2016" });
    const ends = await Promise.all([1, 2].map(() => browser.press(page, "Allow", {}, () => true)));
    expect(ends.map((each) => each.status).sort()).toEqual([303, 409]);
    expect(dataOf(await basiq.ask("GET", `/users/${userId}/connections`))).toHaveLength(1);
  });

  it("is warned of seven days ahead, once, ends, and is given anew", async () => {
    const { userId } = await connectUser(basiq);
    const endsIn = (days: number) =>
      basiq.control("POST", `/users/${userId}/consent-end`, { inSeconds: days * 86_400 });
    const warnings = () => basiq.receiver.received.filter(({ body, raw }) => isWarning(body) && raw.includes(userId));
    const isWarning = (body: Record<string, unknown>) => body["eventTypeId"] === "consent.warning";
    await endsIn(8);
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(warnings()).toEqual([]);
    await endsIn(6);
    const warning = await basiq.webhook("consent.warning", userId);
    const event = await basiq.ask("GET", `/events/${String(warning.body["eventId"])}`);
    expect(event.body).toMatchObject({ entity: "consent", eventType: "warning", userId, data: { status: "active" } });
    await basiq.control("POST", `/users/${userId}/consent-end`, { inSeconds: -1 });
    await basiq.webhook("consent.expired", userId);
    await basiq.webhook("connection.invalidated", userId);
    expect(warnings()).toHaveLength(1);
    expect(codesOf(await basiq.ask("GET", `/users/${userId}/accounts`))).toEqual(["forbidden-access"]);
    const back = await visitConsent(`${await linkOf(userId)}?action=reauthorise`);
    await basiq.jobOver(back.get("jobIds") ?? "");
    expect((await basiq.ask("GET", `/users/${userId}/accounts`)).status).toBe(200);
  });

  it("is extended without a bank, and revoked with its connections", async () => {
    const { userId } = await connectUser(basiq);
    await basiq.control("POST", `/users/${userId}/consent-end`, { inSeconds: 86_400 });
    const back = await visitConsent(`${await linkOf(userId)}?action=extend&state=s-3`, { button: "Allow" });
    expect(back.has("jobIds")).toBe(false);
    await basiq.webhook("consent.updated", userId);
    const [consent] = dataOf(await basiq.ask("GET", `/users/${userId}/consents`));
    expect(Date.parse(String(consent?.["expiryDate"])) - basiq.clock.now().getTime()).toBeGreaterThan(300 * 86_400_000);
    expect((await basiq.ask("DELETE", `/users/${userId}/consents/${consent?.id}`)).status).toBe(204);
    await basiq.webhook("consent.revoked", userId);
    await basiq.webhook("connection.deleted", userId);
    expect((await basiq.ask("GET", `/users/${userId}/transactions`)).status).toBe(403);
  });
});

describe("what was fetched", () => {
  it("comes in pages that leave nothing out, by account, pending first, newest first", async () => {
    const { userId } = await connectUser(basiq);
    const whole = (await pagesOf(userId)).flat();
    const pages = await pagesOf(userId, "", 40);
    expect(pages.length).toBeGreaterThan(5);
    expect(pages.flat()).toEqual(whole);
    const [account] = dataOf(await basiq.ask("GET", `/users/${userId}/accounts`));
    const ofOne = (await pagesOf(userId, `account.id.eq('${account?.id}'),transaction.status.eq('posted')`)).flat();
    const days = ofOne.map((each) => String(each["postDate"]));
    expect(days).toEqual(days.toSorted().reverse());
    const since = days[20]?.slice(0, 10) ?? "";
    const recent = (
      await pagesOf(userId, `account.id.eq('${account?.id}'),transaction.postDate.gteq('${since}')`)
    ).flat();
    expect(recent.map((each) => each.id)).toEqual(
      ofOne.filter((each) => String(each["postDate"]) >= since).map((each) => each.id),
    );
  });

  it("changes with a refresh: pending ones get new ids, posted ones keep theirs", async () => {
    const { userId, connectionId } = await connectUser(basiq);
    const add = { minor: -1_234, description: "FRESH", pending: true };
    await basiq.control("POST", `/connections/${connectionId}/transactions`, add);
    await basiq.webhook("transactions.updated", userId);
    await basiq.webhook("transactions.updated", userId);
    const fresh = async () => (await pagesOf(userId)).flat().find((each) => each["description"] === "FRESH");
    const before = await fresh();
    expect(before).toMatchObject({ status: "pending", amount: "-12.34", direction: "debit", postDate: null });
    const posted = (await pagesOf(userId, "transaction.status.eq('posted')")).flat().map((each) => each.id);
    const refresh = await basiq.ask("POST", `/users/${userId}/connections/${connectionId}/refresh`);
    expect(refresh.status).toBe(202);
    await basiq.jobOver(String(refresh.body["id"]));
    expect((await fresh())?.id).not.toBe(before?.id);
    const again = (await pagesOf(userId, "transaction.status.eq('posted')")).flat().map((each) => each.id);
    expect(again).toEqual(posted);
  });

  it("of a job under way is answered with that job", async () => {
    const { userId, connectionId } = await connectUser(basiq);
    const path = `/users/${userId}/connections/${connectionId}/refresh`;
    const answers = await Promise.all([1, 2, 3].map(() => basiq.ask("POST", path)));
    expect(new Set(answers.map((each) => each.body["id"])).size).toBeLessThan(3);
    expect(answers.filter((each) => each.status === 202).length).toBeLessThan(3);
  });

  it("is lost to a bank that refuses: the job tells the code, the connection becomes invalid", async () => {
    const { userId, connectionId } = await connectUser(basiq);
    await basiq.control("POST", `/users/${userId}/fail-next-job`, {});
    const refresh = await basiq.ask("POST", `/users/${userId}/connections/${connectionId}/refresh`);
    const job = await basiq.jobOver(String(refresh.body["id"]));
    expect(job["steps"]).toMatchObject([
      { status: "failed", result: { type: "error", code: "invalid-credentials" } },
      {},
      {},
    ]);
    const thin = await basiq.webhook("connection.invalidated", userId);
    const event = await basiq.ask("GET", `/events/${String(thin.body["eventId"])}`);
    expect(event.body["data"]).toMatchObject({ id: connectionId, status: "invalid" });
  });

  it("is gone with its user", async () => {
    const { userId, jobId } = await connectUser(basiq);
    expect((await basiq.ask("DELETE", `/users/${userId}`)).status).toBe(204);
    await basiq.webhook("user.deleted", userId);
    expect((await basiq.ask("GET", `/users/${userId}/accounts`)).status).toBe(404);
    expect((await basiq.ask("GET", `/jobs/${jobId}`)).status).toBe(404);
    expect((await basiq.ask("DELETE", `/users/${userId}`)).status).toBe(404);
  });
});

describe("webhooks", () => {
  it("are thin and signed by Standard Webhooks; forged ones do not pass", async () => {
    const { userId, connectionId } = await connectUser(basiq);
    const thin = await basiq.webhook("transactions.updated", userId);
    verifyStandard(thin);
    expect(thin.body).toEqual({
      eventTypeId: "transactions.updated",
      eventId: expect.stringMatching(/^[0-9a-f]{64}$/),
      links: {
        event: `${basiq.origin}/events/${String(thin.body["eventId"])}`,
        eventEntity: `${basiq.origin}/users/${userId}/transactions`,
      },
    });
    for (const signature of ["wrong_key", "wrong_body", "stale", "missing"]) {
      await basiq.control("POST", `/connections/${connectionId}/event`, { eventTypeId: "account.updated", signature });
      const forged = await basiq.webhook("account.updated", userId);
      expect(() => verifyStandard(forged), signature).toThrow();
    }
  });

  it("go again under the same id until they are taken; an endpoint that never takes them is disabled", async () => {
    const { connectionId } = await connectUser(basiq);
    const created = await basiq.ask("POST", "/notifications/webhooks", {
      url: `${basiq.receiver.url}/second`,
      subscribedEvents: ["account.updated"],
    });
    expect(created.status).toBe(201);
    const secret = String(created.body["secret"]);
    basiq.receiver.answer = ({ path }) => (path.endsWith("/second") ? 503 : 200);
    const before = basiq.receiver.received.length;
    await basiq.control("POST", `/connections/${connectionId}/event`, { eventTypeId: "account.updated" });
    const second = () => basiq.receiver.received.slice(before).filter(({ path }) => path.endsWith("/second"));
    await expect.poll(() => second().length).toBe(1);
    for (const webhook of second()) verifyStandard(webhook, secret);
    let movedMs = 0;
    // The pauses are listed, up to ten hours; scaled by the setting they are six minutes at most.
    const moveOn = () => {
      basiq.clock.advance(400_000);
      movedMs += 400_000;
    };
    for (let attempts = 2; attempts <= 8; attempts += 1) {
      const arrived = () => {
        if (second().length < attempts) moveOn();
        return second().length;
      };
      await expect.poll(arrived, { interval: 300 }).toBeGreaterThanOrEqual(attempts);
    }
    expect(new Set(second().map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    const status = async () => {
      const listed = dataOf(await basiq.ask("GET", "/notifications/webhooks", undefined, await basiq.token()));
      return listed.find((each) => each.id === created.body["id"])?.["status"];
    };
    await expect.poll(status).toBe("disabled");
    expect(second()).toHaveLength(8);
    basiq.clock.advance(-movedMs);
    basiq.receiver.answer = () => 200;
    expect((await basiq.ask("DELETE", `/notifications/webhooks/${String(created.body["id"])}`)).status).toBe(204);
  });

  it("have one endpoint an address, for kinds that exist", async () => {
    const ask = (subscribedEvents: string[]) =>
      basiq.ask("POST", "/notifications/webhooks", { url: basiq.receiver.url, subscribedEvents });
    expect(codesOf(await ask(["user.created"]))).toEqual(["resource-already-exists"]);
    expect(codesOf(await ask(["user.vanished"]))).toEqual(["invalid-content"]);
  });
});

describe("on request", () => {
  it("the API fails in Basiq's own words, and its control API tells which calls came", async () => {
    const { userId } = await connectUser(basiq);
    const path = "/users/:userId/accounts";
    await basiq.control("POST", "/faults", { path, kind: "rate_limit", retryAfterSeconds: 7 });
    const limited = await basiq.ask("GET", `/users/${userId}/accounts`);
    expect(limited.headers.get("retry-after")).toBe("7");
    expect(codesOf(limited)).toEqual(["too-many-requests"]);
    await basiq.control("POST", "/faults", { path, kind: "server_error", status: 503 });
    expect(codesOf(await basiq.ask("GET", `/users/${userId}/accounts`))).toEqual(["service-unavailable"]);
    const calls = (await basiq.control("GET", `/calls?path=${path}`)).body["calls"] as Record<string, unknown>[];
    expect(calls.at(-1)).toMatchObject({ subject: userId, error: "service-unavailable" });
  });
});
