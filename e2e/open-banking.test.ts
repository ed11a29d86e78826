import { beforeAll, describe, expect, it } from "vitest";
import { demoWorld } from "../deploy/local/world.ts";
import { FormBrowser } from "../services/platform/testing/form-browser.ts";
import { type Answer, call } from "./harness/call.ts";
import { eventually } from "./harness/phone.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";
import { Till } from "./harness/till.ts";

const { urls } = sharedMesh();
const api = `${urls.gateway}/api/open-banking`;
const operator = { "x-admin-key": demoWorld.operatorKey };
const sandboxKey = { headers: { "x-sandbox-key": demoWorld.operatorKey } };

type Firm = (method: string, path: string, body?: unknown) => Promise<Answer>;

const firmWith =
  (key: string): Firm =>
  (method, path, body) =>
    call(method, `${api}${path}`, { headers: { "x-api-key": key }, ...(body === undefined ? {} : { body }) });

interface LinkedAccount {
  readonly account: { readonly accountId: string; readonly currency: string };
  readonly institutionName: string;
  readonly institutionLoginId: string;
  readonly state: string;
  readonly authorizationEndsAt: string;
}
const accountsOf = (answer: Answer) => answer.body["accounts"] as readonly LinkedAccount[]; // as the contract says

describe("a firm whose client connects an account at Mastercard", () => {
  const clientId = `client-${crypto.randomUUID()}`;
  const path = `/clients/${clientId}`;
  const firm = firmWith(demoWorld.merchantKey);
  let first: LinkedAccount;

  /** The client consents in Mastercard's pages; the first of the accounts this links. */
  async function link(): Promise<LinkedAccount> {
    expect((await firm("GET", path)).body["badge"]).toBe("not_linked");
    const { body } = await firm("POST", `${path}/connect-url`, {});
    const browser = new FormBrowser();
    let page = await browser.open(String(body["link"]));
    page = await browser.press(page, "FinBank OAuth");
    page = await browser.press(page, "Sign in", { "User name": "demo", Password: "go" });
    const back = await browser.press(page, "Allow", {}, (location) => location.startsWith(urls.gateway));
    const end = await call("GET", back.url, { headers: { accept: "text/html" } });
    expect([new URL(back.url).pathname, end.status]).toEqual(["/openbanking/callback", 200]);
    expect(end.text).toContain("You are done");
    return await eventually(async () => {
      const answer = await firm("GET", path);
      return answer.body["badge"] === "linked" && accountsOf(answer).length === 3 ? accountsOf(answer)[0] : undefined;
    });
  }

  beforeAll(async () => {
    expect((await firm("POST", `${path}/customer`, { type: "testing" })).status).toBe(201);
    first = await link();
  });

  it("sees him linked by Mastercard's webhook, with accounts, history and authorization", async () => {
    expect(first).toMatchObject({ institutionName: "FinBank OAuth", state: "ACTIVE", account: { currency: "USD" } });
    await eventually(async () => {
      const { body } = await firm("GET", `/accounts/${first.account.accountId}/transactions?pageSize=5`);
      return body["nextPageToken"] === "" ? undefined : body;
    });
    const window = await firm("GET", `/authorization-window/${first.institutionLoginId}`);
    expect(window.body).toMatchObject({ status: "authorized" });
    const refreshed = await firm("POST", `${path}/refresh`, {});
    expect([refreshed.status, refreshed.body["jobIds"]]).toEqual([202, [expect.any(String)]]);
  });

  it("is told by a notification, subscribed to by the operator, when the authorization ends soon", async () => {
    const subscription = await call("POST", `${api}/notification-subscriptions`, { headers: operator, body: {} });
    expect([subscription.status, subscription.body["status"]]).toEqual([201, "pending"]);
    const login = `${urls.providers.mastercard}/_control/logins/${first.institutionLoginId}`;
    await call("POST", `${login}/authorization-end`, { ...sandboxKey, body: { inSeconds: 3 * 86_400 } });
    const ending = await eventually(async () => {
      const [account] = accountsOf(await firm("GET", path));
      return account?.authorizationEndsAt === first.authorizationEndsAt ? undefined : account;
    });
    const days = (Date.parse(ending.authorizationEndsAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(2);
    expect(days).toBeLessThan(4);
    const id = String(subscription.body["subscriptionId"]);
    const firmAsks = await firm("GET", `/notification-subscriptions/${id}`);
    expect(firmAsks.status).toBe(401);
    const ended = await call("DELETE", `${api}/notification-subscriptions/${id}`, { headers: operator });
    expect([ended.status, ended.text]).toEqual([204, ""]);
  });

  it("sends him an e-mail with a link, and finds it in its log", async () => {
    const to = `client-${crypto.randomUUID()}@example.com`;
    const sent = await firm("POST", `${path}/connect-email`, { to, firstName: "Ada" });
    expect(sent.body).toMatchObject({ status: "sent", link: expect.stringContaining(urls.providers.mastercard) });
    const { body } = await firm("GET", `${path}/connect-emails`);
    expect(body["emails"]).toContainEqual(expect.objectContaining({ to, status: "sent", link: sent.body["link"] }));
  });

  it("is told when Mastercard asks us to wait, and for how long, and when it is down", async () => {
    const faults = `${urls.providers.mastercard}/_control/faults`;
    const send = async (fault: object) => {
      await call("POST", faults, { ...sandboxKey, body: { path: "/connect/v2/send/email", times: 1, ...fault } });
      return await firm("POST", `${path}/connect-email`, { to: "ada@example.com", firstName: "Ada" });
    };
    const limited = await send({ kind: "rate_limit", retryAfterSeconds: 17 });
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "17"]);
    expect(limited.body).toMatchObject({ error: "provider_rate_limited", code: 8, retryAfterSeconds: 17 });
    const down = await send({ kind: "html", status: 503 });
    expect([down.status, down.headers.get("retry-after")]).toEqual([502, null]);
    expect(down.body).toMatchObject({ error: "provider_unavailable", code: 14, details: [] });
    expect(`${limited.text}${down.text}`).not.toContain("<");
  });

  it("is the only firm that knows him: to another he is unknown, and so is all of his", async () => {
    const other = firmWith((await Till.open(urls.gateway)).key);
    for (const [method, which, body, error] of [
      ["GET", path, undefined, "client_not_found"],
      ["POST", `${path}/connect-url`, {}, "client_not_found"],
      ["POST", `${path}/refresh`, {}, "client_not_found"],
      ["GET", `${path}/connect-emails`, undefined, "client_not_found"],
      ["DELETE", path, undefined, "client_not_found"],
      ["GET", `/accounts/${first.account.accountId}/transactions`, undefined, "account_not_found"],
      ["GET", `/authorization-window/${first.institutionLoginId}`, undefined, "login_not_found"],
    ] as const) {
      // The Router had learned the key; Credential may be a moment behind.
      const answer = await eventually(async () => {
        const asked = await other(method, which, body);
        return asked.status === 401 ? undefined : asked;
      });
      expect([answer.status, answer.body["error"]], which).toEqual([404, error]);
    }
    expect((await call("GET", `${api}${path}`)).status).toBe(401);
  });

  it("disconnects him, and Mastercard has nothing of him any more", async () => {
    if ((await firm("GET", path)).body["badge"] === "not_linked") first = await link();
    const ended = await firm("DELETE", `${path}/logins/${first.institutionLoginId}`);
    expect(ended.body).toEqual({ success: true, disconnected: 1, revokedAtProvider: true });
    expect((await firm("GET", path)).body).toMatchObject({ badge: "not_linked", accounts: [] });
    const { body } = await call("GET", `${urls.providers.mastercard}/_control/logins`, sandboxKey);
    expect(JSON.stringify(body)).not.toContain(first.institutionLoginId);
    expect((await firm("GET", `/accounts/${first.account.accountId}/transactions`)).status).toBe(404);
  });
});
