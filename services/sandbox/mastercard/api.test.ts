import { beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import type { Answer } from "../kit/testing/start-in-test.ts";
import { findVendorFile, openVendorDescription, type VendorAnswer } from "../kit/testing/vendor-description.ts";
import {
  type Connected,
  partner,
  type RunningMastercard,
  recordsOf,
  startMastercard,
} from "./testing/start-mastercard.ts";

let sandbox: RunningMastercard;
let demo: Connected;
const answered: VendorAnswer[] = [];
setUp(async () => {
  sandbox = await startMastercard({ onAnswer: (answer) => answered.push(answer) });
  demo = await sandbox.connected();
  return () => sandbox.stop();
});

const refusal = ({ status, body }: Answer) => [status, body["code"]];
const get = (path: string) => sandbox.api("GET", path);
const nowSeconds = () => Math.floor(sandbox.clock.now().getTime() / 1_000);
const daysAgo = (days: number) => nowSeconds() - days * 86_400;
const transactions = (query = "", customerId = demo.customerId) =>
  get(`/aggregation/v3/customers/${customerId}/transactions?fromDate=${daysAgo(400)}&toDate=${nowSeconds()}${query}`);
const accountOf = (type: string, of = demo) => String(of.accounts.find((each) => each["type"] === type)?.["id"]);

describe("the partner", () => {
  const authentication = "/aggregation/v2/partners/authentication";
  const send = (method: string, secret: string, more: object = {}, appKey: string | null = partner.appKey) =>
    sandbox.call(authentication, {
      method,
      headers: { "content-type": "application/json", ...(appKey !== null && { "finicity-app-key": appKey }) },
      body: JSON.stringify({ partnerId: partner.id, partnerSecret: secret, ...more }),
    });
  beforeEach(() => sandbox.control("POST", "/partner/unlock"));

  it("gets tokens that open the API for two hours", async () => {
    const token = await sandbox.login();
    const ask = () => sandbox.api("GET", "/institution/v2/institutions", undefined, { "finicity-app-token": token });
    expect((await ask()).status).toBe(200);
    sandbox.clock.advance(2 * 3_600_000 - 1_000);
    expect((await ask()).status).toBe(200);
    sandbox.clock.advance(2_000);
    expect(refusal(await ask())).toEqual([401, "10023"]);
    sandbox.clock.advance(-2 * 3_600_000 - 1_000);
  });

  it("is told which of its credentials is missing or wrong", async () => {
    const path = "/institution/v2/institutions";
    expect(refusal(await sandbox.call(path))).toEqual([401, "10026"]);
    expect(refusal(await sandbox.call(path, { headers: { "finicity-app-key": "x" } }))).toEqual([401, "10027"]);
    expect(refusal(await sandbox.call(path, { headers: { "finicity-app-key": partner.appKey } }))).toEqual([
      401,
      "10024",
    ]);
    expect(refusal(await sandbox.api("GET", path, undefined, { "finicity-app-token": "x" }))).toEqual([401, "10022"]);
    expect(refusal(await send("POST", partner.secret, {}, "wrong"))).toEqual([401, "10027"]);
    expect(refusal(await send("POST", partner.secret, { partnerId: undefined }))).toEqual([400, "10005"]);
  });

  it("is locked by the fifth wrong secret, also when they come at once, and the right one is of no use then", async () => {
    const wrong = await Promise.all(Array.from({ length: 8 }, () => send("POST", "wrong-secret-1")));
    expect(wrong.map((each) => each.body["code"]).sort()).toEqual([
      ...Array.from({ length: 5 }, () => "10001"),
      ...Array.from({ length: 3 }, () => "24302"),
    ]);
    expect(refusal(await send("POST", partner.secret))).toEqual([401, "24302"]);
    await sandbox.control("POST", "/partner/unlock");
    expect((await send("POST", partner.secret)).status).toBe(200);
  });

  it("starts to count again after a right secret", async () => {
    for (let count = 0; count < 4; count += 1) await send("POST", "wrong-secret-1");
    expect((await send("POST", partner.secret)).status).toBe(200);
    for (let count = 0; count < 4; count += 1) await send("POST", "wrong-secret-1");
    expect((await send("POST", partner.secret)).status).toBe(200);
  });

  it("changes its secret, at once or with a month of grace", async () => {
    const [second, third] = ["a-second-secret-2", "a-third-secret-3"];
    expect(refusal(await send("PUT", partner.secret, { newPartnerSecret: "short1" }))).toEqual([400, "24437"]);
    expect(refusal(await send("PUT", "wrong-secret-1", { newPartnerSecret: second }))).toEqual([401, "10001"]);
    expect((await send("PUT", partner.secret, { newPartnerSecret: second })).status).toBe(204);
    expect(refusal(await send("POST", partner.secret))).toEqual([401, "10001"]);
    expect((await send("PUT", second, { newPartnerSecret: third, immediate: false })).status).toBe(204);
    expect((await send("POST", second)).status).toBe(200);
    expect((await send("PUT", third, { newPartnerSecret: partner.secret })).status).toBe(204);
    expect((await send("POST", partner.secret)).status).toBe(200);
    expect(refusal(await send("POST", third))).toEqual([401, "10001"]);
  });
});

describe("customers", () => {
  const add = (username: unknown, type = "testing") =>
    sandbox.api("POST", `/aggregation/v2/customers/${type}`, { username, firstName: "Dana" });

  it("have usernames that are used once for ever", async () => {
    const made = await add("only-once-1", "active");
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ username: "only-once-1", createdDate: nowSeconds() });
    const path = `/aggregation/v1/customers/${made.body["id"]}`;
    expect((await get(path)).body).toMatchObject({ type: "active", firstName: "Dana" });
    expect((await sandbox.api("DELETE", path)).status).toBe(204);
    expect(refusal(await get(path))).toEqual([404, "14001"]);
    expect(refusal(await add("only-once-1"))).toEqual([409, "110002"]);
  });

  it("are refused with a username against the policy, and without one", async () => {
    for (const username of ["short", "has space in it", "ü".repeat(8), "x".repeat(256)]) {
      expect(refusal(await add(username))).toEqual([400, "110039"]);
    }
    expect(refusal(await add(undefined))).toEqual([400, "10005"]);
  });

  it("are listed in pages, and at most 500 are for testing", async () => {
    const first = await get("/aggregation/v1/customers?limit=1");
    expect(first.body).toMatchObject({ displaying: 1, found: expect.any(Number) });
    await sandbox.control("PATCH", "/settings", { testingCustomersMax: 1 });
    expect(refusal(await add("one-too-many"))).toEqual([400, "14020"]);
    await sandbox.control("PATCH", "/settings", { testingCustomersMax: 500 });
  });
});

describe("accounts", () => {
  it("are told as of the last aggregation, with the login they came by", async () => {
    const answer = await get(`/aggregation/v1/customers/${demo.customerId}/accounts`);
    const accounts = recordsOf(answer, "accounts");
    expect(accounts.map((each) => each["type"])).toEqual(["checking", "savings", "creditCard"]);
    expect(accounts[0]).toMatchObject({
      aggregationStatusCode: 0,
      status: "active",
      currency: "USD",
      balance: expect.any(Number),
    });
    const one = await get(`/aggregation/v2/customers/${demo.customerId}/accounts/${accounts[0]?.["id"]}`);
    expect(one.body).toEqual(accounts[0]);
    expect(refusal(await get("/aggregation/v1/customers/1/accounts"))).toEqual([404, "14001"]);
    const other = await sandbox.customer();
    expect(refusal(await get(`/aggregation/v2/customers/${other}/accounts/${accounts[0]?.["id"]}`))).toEqual([
      404,
      "14001",
    ]);
  });

  it("change only when they are aggregated, by request or once a day", async () => {
    const { customerId, accounts } = await sandbox.connected({ username: "riley" });
    const id = accounts[0]?.["id"];
    const read = async () => recordsOf(await get(`/aggregation/v1/customers/${customerId}/accounts`), "accounts")[0];
    const before = await read();
    sandbox.clock.advance(1_000);
    await sandbox.control("POST", `/accounts/${id}/transactions`, { amount: "-12.34", description: "KITE SHOP" });
    sandbox.clock.advance(1_000);
    expect(await read()).toEqual(before);
    sandbox.clock.advance(1_000);
    await sandbox.api("POST", `/aggregation/v1/customers/${customerId}/accounts`, {});
    const after = await read();
    expect(Number(after?.["balance"])).toBeCloseTo(Number(before?.["balance"]) - 12.34);
    await sandbox.control("PATCH", "/settings", { aggregationSeconds: 10 });
    await sandbox.api("POST", `/aggregation/v1/customers/${customerId}/accounts`, {});
    sandbox.clock.advance(60_000);
    await expect.poll(read).toMatchObject({ aggregationSuccessDate: nowSeconds() });
    await sandbox.control("PATCH", "/settings", { aggregationSeconds: 86_400 });
  });

  it("end an aggregation with the code of what their person has to do, until Fix repairs the login", async () => {
    const { customerId, loginId } = await sandbox.connected({ institutionId: "170778" });
    await sandbox.control("POST", `/logins/${loginId}/status`, { code: 103 });
    sandbox.clock.advance(5_000);
    const refresh = () => sandbox.api("POST", `/aggregation/v1/customers/${customerId}/accounts`, {});
    const [failed] = recordsOf(await refresh(), "accounts");
    expect(failed).toMatchObject({ aggregationStatusCode: 103, aggregationAttemptDate: nowSeconds() });
    expect(Number(failed?.["aggregationSuccessDate"])).toBeLessThan(nowSeconds());
    const fix = { partnerId: partner.id, customerId, institutionLoginId: loginId };
    const { body } = await sandbox.api("POST", "/connect/v2/generate/fix", fix);
    await sandbox.control("POST", "/consents", { link: body["link"] });
    expect(recordsOf(await refresh(), "accounts")[0]).toMatchObject({
      aggregationStatusCode: 0,
      institutionLoginId: Number(loginId),
    });
  });

  it("are gone when the partner deletes them or their login", async () => {
    const { customerId, accounts, loginId } = await sandbox.connected({ username: "morgan" });
    const base = `/aggregation/v1/customers/${customerId}`;
    expect((await sandbox.api("DELETE", `${base}/accounts/${accounts[0]?.["id"]}`)).status).toBe(204);
    expect(recordsOf(await get(`${base}/institutionLogins/${loginId}/accounts`), "accounts")).toHaveLength(1);
    expect((await sandbox.api("DELETE", `${base}/institutionLogins/${loginId}`)).status).toBe(204);
    expect(recordsOf(await get(`${base}/accounts`), "accounts")).toEqual([]);
    expect(refusal(await sandbox.api("DELETE", `${base}/institutionLogins/${loginId}`))).toEqual([404, "38007"]);
  });
});

describe("transactions", () => {
  it("come in pages without a gap, the newest first or the oldest", async () => {
    const all = await transactions();
    const found = Number(all.body["found"]);
    expect(found).toBeGreaterThan(200);
    expect(all.body).toMatchObject({ displaying: found, moreAvailable: "false", sort: "desc" });
    const paged: unknown[] = [];
    for (let start = 1; ; start += 50) {
      const page = await transactions(`&start=${start}&limit=50`);
      paged.push(...recordsOf(page, "transactions"));
      if (page.body["moreAvailable"] === "false") break;
    }
    expect(paged).toEqual(recordsOf(all, "transactions"));
    const asc = recordsOf(await transactions("&sort=asc"), "transactions");
    expect(asc).toEqual(recordsOf(all, "transactions").toReversed());
  });

  it("reach back 180 days, two years after the history is loaded", async () => {
    const { customerId, accounts } = await sandbox.connected({ username: "riley" });
    const oldest = async () => {
      const [first] = recordsOf(await transactions("&sort=asc", customerId), "transactions");
      return (nowSeconds() - Number(first?.["transactionDate"])) / 86_400;
    };
    expect(await oldest()).toBeLessThan(181);
    const base = `/aggregation/v1/customers/${customerId}/accounts/${accounts[0]?.["id"]}`;
    expect((await sandbox.api("POST", `${base}/transactions/historic`, {})).status).toBe(204);
    expect(await oldest()).toBeGreaterThan(300);
  });

  it("have the sign of their account: what leaves is below zero, what a card owes above", async () => {
    const base = `/aggregation/v4/customers/${demo.customerId}/accounts`;
    const range = `fromDate=${daysAgo(170)}&toDate=${nowSeconds()}`;
    const of = async (type: string) =>
      recordsOf(await get(`${base}/${accountOf(type)}/transactions?${range}`), "transactions");
    const named = (list: Record<string, unknown>[], text: string) => list.find((each) => each["description"] === text);
    const [current, card] = [await of("checking"), await of("creditCard")];
    expect(named(current, "LUMEN STUDIO PAYROLL")?.["amount"]).toBeGreaterThan(0);
    expect(named(current, "OAKWOOD PROPERTY RENT")?.["amount"]).toBeLessThan(0);
    const paid = named(current, "CARD PAYMENT");
    expect(named(card, "PAYMENT RECEIVED")).toMatchObject({ amount: paid?.["amount"] });
    expect(paid?.["amount"]).toBeLessThan(0);
    const purchase = card.find((each) => each["type"] === "pointOfSale");
    expect(purchase?.["amount"]).toBeGreaterThan(0);
    expect(purchase?.["uniqueTransactionId"]).toBe(`${accountOf("creditCard")}-${purchase?.["id"]}`);
  });

  it("are pending when asked for so, and posted under another id a day later", async () => {
    const connected = await sandbox.connected({ username: "riley" });
    const id = accountOf("checking", connected);
    const posting = { amount: -7.5, description: "PENDING KITE", pending: true };
    await sandbox.control("POST", `/accounts/${id}/transactions`, posting);
    const read = async (query: string) => {
      await sandbox.control("POST", `/customers/${connected.customerId}/aggregate`);
      const list = recordsOf(await transactions(query, connected.customerId), "transactions");
      return list.find((each) => each["description"] === "PENDING KITE");
    };
    expect(await read("")).toBeUndefined();
    const pending = await read("&includePending=true");
    expect(pending).toMatchObject({ status: "pending", amount: -7.5 });
    expect(pending).not.toHaveProperty("postedDate");
    sandbox.clock.advance(27 * 3_600_000);
    await sandbox.control("PATCH", "/settings", { tokenSeconds: 864_000 });
    await sandbox.renew();
    const posted = await read("");
    expect(posted).toMatchObject({ status: "active", amount: -7.5 });
    expect(posted?.["id"]).not.toBe(pending?.["id"]);
  });

  it("turn into shadows when the institution forgets them", async () => {
    const { customerId, accounts } = await sandbox.connected({ username: "morgan" });
    await sandbox.control("POST", `/accounts/${accounts[0]?.["id"]}/shadow`, { count: 2 });
    const list = recordsOf(await transactions("", customerId), "transactions");
    expect(list.filter((each) => each["status"] === "shadow")).toHaveLength(2);
  });

  it("are refused without dates, with dates in the wrong order and with numbers that are none", async () => {
    const base = `/aggregation/v3/customers/${demo.customerId}/transactions`;
    expect(refusal(await get(`${base}?toDate=1`))).toEqual([400, "10005"]);
    expect(refusal(await get(`${base}?fromDate=2&toDate=1`))).toEqual([400, "14020"]);
    expect(refusal(await get(`${base}?fromDate=-2&toDate=1`))).toEqual([400, "1618"]);
    expect(refusal(await transactions("&limit=0"))).toEqual([400, "1618"]);
    expect((await transactions("&limit=5000")).status).toBe(200);
  });
});

describe("authorization details", () => {
  const details = (loginId: string) => get(`/customers/institution-logins/${loginId}/authorization-details`);

  it("tell the window of an OAuth login and refuse a legacy and an unknown one", async () => {
    const { loginId, accounts } = await sandbox.connected({ institutionId: "900101" });
    const answer = await details(loginId);
    expect(answer.body).toMatchObject({ institutionLoginId: Number(loginId) });
    const end = Math.floor(Date.parse(String(answer.body["authorizationEndDate"])) / 1_000);
    expect(accounts[0]).toMatchObject({ authorizationExpires: true, authorizationEndDate: end });
    expect(refusal(await details(demo.loginId))).toEqual([404, "3003"]);
    expect(refusal(await details("42"))).toEqual([404, "3004"]);
  });
});

describe("institutions", () => {
  it("are found by a part of their name and by id", async () => {
    const found = await get("/institution/v2/institutions?search=finbank");
    expect(recordsOf(found, "institutions").map((each) => each["name"])).toEqual(["FinBank", "FinBank OAuth"]);
    expect((await get("/institution/v2/institutions/101732")).body).toMatchObject({ institution: { name: "FinBank" } });
    expect(refusal(await get("/institution/v2/institutions/1"))).toEqual([404, "14001"]);
  });
});

describe("faults", () => {
  const strike = (fault: object) =>
    sandbox.control("POST", "/faults", { path: "/institution/v2/institutions", ...fault });
  const ask = () => get("/institution/v2/institutions");

  it("are the provider's refusals, broken answers, delays", async () => {
    await strike({ kind: "rate_limit", retryAfterSeconds: 9 });
    const limited = await ask();
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "9"]);
    await strike({ kind: "server_error", status: 503 });
    expect((await ask()).status).toBe(503);
    await strike({ kind: "provider_error", code: "10023" });
    expect(refusal(await ask())).toEqual([401, "10023"]);
    expect((await strike({ kind: "provider_error", code: "77777" })).status).toBe(400);
    await strike({ kind: "html" });
    expect((await ask()).text).toContain("<html>");
    await strike({ kind: "half" });
    await expect(ask()).rejects.toThrow();
    await strike({ kind: "latency", ms: 150 });
    const began = performance.now();
    expect((await ask()).status).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(145);
  });

  it("lose the answer of a customer who was made, and tell of the call without a secret", async () => {
    await sandbox.control("DELETE", "/calls");
    const path = "/aggregation/v2/customers/testing";
    await sandbox.control("POST", "/faults", { path, kind: "lost_answer" });
    const add = () => sandbox.api("POST", path, { username: "answer-lost" });
    await expect(add()).rejects.toThrow();
    expect(refusal(await add())).toEqual([409, "110002"]);
    const calls = await sandbox.control("GET", `/calls?path=${path}`);
    expect(calls.body["calls"]).toMatchObject([
      { fault: "lost_answer", status: null, fields: ["username"] },
      { status: 409, error: "110002" },
    ]);
    expect(calls.text).not.toContain(await sandbox.login());
  });
});

const vendorFile = findVendorFile("mastercard-open-finance-us.yaml");
if (vendorFile === undefined) {
  process.stderr.write(
    "SKIPPED: Mastercard's OpenAPI file is not there; set PAYMESH_VENDOR_DIR to check the sandbox against it\n",
  );
}

// Last in the file: it looks at every answer of the tests above.
describe.skipIf(vendorFile === undefined)("the vendor's description", () => {
  it("holds for every answer given above, one good and one bad of most endpoints", async () => {
    const mail = { partnerId: partner.id, customerId: await sandbox.customer(), consumerId: "consumer-1" };
    const email = { to: "client@example.com", firstName: "Ada", signature: ["A", "B"] };
    await sandbox.api("POST", "/connect/v2/send/email", { ...mail, email });
    await useSubscription({ url: "http://127.0.0.1:9/x", events: [{ name: "authorization.accesstoken.expiry" }] });
    const description = openVendorDescription(vendorFile ?? new URL("file:///absent"), {
      errorSchema: "ErrorMessage",
      // It says "object" and means, by its own words and examples, a number or a text.
      corrected: { ErrorMessage: correctedError },
    });
    const json = answered.filter(({ body }) => body === "" || body.startsWith("{"));
    const problems = json.map((answer) => {
      const problem = description.problemOfAnswer(answer);
      return problem === undefined ? undefined : `${answer.method} ${answer.path} ${answer.status}: ${problem}`;
    });
    expect([...new Set(problems.filter((each) => each !== undefined))]).toEqual([]);
    const good = new Set(json.filter(({ status }) => status < 300).map(({ method, path }) => `${method} ${path}`));
    expect([...good].sort()).toEqual(endpoints);
    // The check itself can fail.
    const wrong = { method: "POST", path: "/aggregation/v2/customers/testing", status: 201, body: '{"id":5}' };
    expect(description.problemOfAnswer(wrong)).toContain("username");
  });
});

/** Every call of a subscription once, its end last. */
async function useSubscription(contents: { url: string; events: object[] }): Promise<void> {
  const base = "/notification-subscriptions/webhooks";
  const made = await sandbox.api("POST", base, contents);
  const path = `${base}/${made.body["subscriptionId"]}`;
  const event = `${path}/events/${recordsOf(made, "events")[0]?.["webhookEventId"]}`;
  for (const each of [base, path]) await sandbox.api("GET", each);
  await sandbox.api("PUT", event, contents.events[0]);
  for (const each of [event, path]) await sandbox.api("PUT", `${each}/status`, { status: "inactive" });
  await sandbox.api("DELETE", event);
  await sandbox.api("PUT", path, contents);
  await sandbox.api("DELETE", path);
}

const text = { type: "string" };
const correctedError = {
  type: "object",
  required: ["code"],
  properties: { code: { type: ["string", "number"] }, status: text, title: text, message: text, user_message: text },
};
const endpoints = [
  "DELETE /aggregation/v1/customers/{customerId}",
  "DELETE /aggregation/v1/customers/{customerId}/accounts/{accountId}",
  "DELETE /aggregation/v1/customers/{customerId}/institutionLogins/{institutionLoginId}",
  "DELETE /notification-subscriptions/webhooks/{subscription_id}",
  "DELETE /notification-subscriptions/webhooks/{subscription_id}/events/{webhook_event_id}",
  "GET /aggregation/v1/customers",
  "GET /aggregation/v1/customers/{customerId}",
  "GET /aggregation/v1/customers/{customerId}/accounts",
  "GET /aggregation/v1/customers/{customerId}/institutionLogins/{institutionLoginId}/accounts",
  "GET /aggregation/v2/customers/{customerId}/accounts/{accountId}",
  "GET /aggregation/v3/customers/{customerId}/transactions",
  "GET /aggregation/v4/customers/{customerId}/accounts/{accountId}/transactions",
  "GET /customers/institution-logins/{institution_login_id}/authorization-details",
  "GET /institution/v2/institutions",
  "GET /institution/v2/institutions/{institutionId}",
  "GET /notification-subscriptions/webhooks",
  "GET /notification-subscriptions/webhooks/{subscription_id}",
  "POST /aggregation/v1/customers/{customerId}/accounts",
  "POST /aggregation/v1/customers/{customerId}/accounts/{accountId}/transactions/historic",
  "POST /aggregation/v2/customers/active",
  "POST /aggregation/v2/customers/testing",
  "POST /aggregation/v2/partners/authentication",
  "POST /connect/v2/generate",
  "POST /connect/v2/generate/fix",
  "POST /connect/v2/send/email",
  "POST /notification-subscriptions/webhooks",
  "PUT /aggregation/v2/partners/authentication",
  "PUT /notification-subscriptions/webhooks/{subscription_id}",
  "PUT /notification-subscriptions/webhooks/{subscription_id}/events/{webhook_event_id}",
  "PUT /notification-subscriptions/webhooks/{subscription_id}/events/{webhook_event_id}/status",
  "PUT /notification-subscriptions/webhooks/{subscription_id}/status",
];
