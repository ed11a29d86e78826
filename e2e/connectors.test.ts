import { beforeAll, describe, expect, it } from "vitest";
import { demoWorld } from "../deploy/local/world.ts";
import { FormBrowser } from "../services/platform/testing/form-browser.ts";
import { call } from "./harness/call.ts";
import { eventually, type Phone, phoneAt, stillConnected } from "./harness/phone.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();
const api = `${urls.gateway}/api`;
const returnUrl = "mwsim://connected";
const phone = () => phoneAt(api);

/** Follows the browser from the provider's page through our callback; the address it ends at. */
async function consent(authUrl: string): Promise<URL> {
  const browser = new FormBrowser();
  let page = await browser.open(authUrl);
  page = await browser.press(page, "First Platypus Bank");
  page = await browser.press(page, "Sign in", { "User name": "user_good", Password: "pass_good" });
  const back = await browser.press(page, "Allow", {}, (location) => location.startsWith(urls.gateway));
  const answer = await call("GET", back.url);
  expect(answer.status).toBe(302);
  return new URL(answer.headers.get("location") ?? "");
}

describe("a person who connects an account at Plaid", () => {
  let me: Phone;
  let connectionId: string;

  async function connect(): Promise<string> {
    const link = await me("POST", "/connectors/plaid/link", { returnUrl });
    expect(link.status).toBe(200);
    expect(Object.keys(link.body).sort()).toEqual(["authUrl", "expiresAt", "linkToken", "state"]);
    const end = await consent(String(link.body["authUrl"]));
    expect(end.protocol).toBe("mwsim:");
    return end.searchParams.get("connectionId") ?? "";
  }

  beforeAll(async () => {
    me = await phone();
    connectionId = await connect();
  });

  it("sees it listed, with its accounts, and in the phone's own list beside banks", async () => {
    const { body } = await me("GET", "/connectors/connections");
    expect(body["connections"]).toMatchObject([
      { connectionId, connector: "plaid", state: "ACTIVE", status: expect.stringMatching(/^(connected|syncing)$/) },
    ]);
    const accounts = (await me("GET", `/connectors/plaid/connections/${connectionId}/accounts`)).body["accounts"];
    expect(accounts).toHaveLength(3);
    const listed = (await me("GET", "/mobile/accounts")).body["accounts"];
    expect(listed).toHaveLength(3);
    expect(listed).toContainEqual(expect.objectContaining({ bankName: "First Platypus Bank", connectionId }));
  });

  it("has his history fetched by itself, then by a webhook, and pages through it", async () => {
    const path = `/connectors/plaid/connections/${connectionId}/transactions`;
    const first = await eventually(async () => {
      const { body } = await me("GET", `${path}?pageSize=150`);
      return body["nextPageToken"] === "" ? undefined : body;
    });
    expect(first["transactions"]).toHaveLength(150);
    const second = await me("GET", `${path}?pageSize=150&pageToken=${String(first["nextPageToken"])}`);
    expect((second.body["transactions"] as unknown[]).length).toBeGreaterThan(0);
    const { body } = await me("GET", `/connectors/connections/${connectionId}/sync-history`);
    const triggers = (body["runs"] as { trigger: string }[]).map((run) => run.trigger);
    expect(triggers).toContain("connect");
    expect(triggers).toContain("webhook");
  });

  it("asks for a sync and a refresh, and is given jobs", async () => {
    for (const act of ["sync", "refresh"]) {
      const answer = await me("POST", `/connectors/plaid/connections/${connectionId}/${act}`);
      expect(answer.status).toBe(202);
      const jobId = answer.body["jobId"];
      await eventually(async () => {
        const { body } = await me("GET", `/connectors/connections/${connectionId}/sync-history`);
        const runs = body["runs"] as { jobId: string; state: string }[];
        return runs.find((run) => run.jobId === jobId && run.state === "succeeded");
      });
    }
    const { body } = await me("GET", `/connectors/connections/${connectionId}/audit?pageSize=5`);
    expect(body["entries"]).toHaveLength(5);
  });

  it("is hidden from everybody else, and from who has no token", async () => {
    const other = await phone();
    for (const path of [
      `/connectors/connections/${connectionId}`,
      `/connectors/plaid/connections/${connectionId}/accounts`,
    ]) {
      const answer = await other("GET", path);
      expect(answer.status).toBe(404);
      expect(answer.body).toMatchObject({
        error: "connection_not_found",
        message: "Credentials not found for connection",
      });
      expect((await call("GET", `${api}${path}`)).status).toBe(401);
    }
  });

  it.each([
    ["GET", "/connectors/plaid/accounts"],
    ["GET", "/connectors/connections"],
    ["POST", "/connectors/plaid/link"],
  ])("is refused when a token stands in the address of %s %s", async (method, path) => {
    const answer = await me(method, `${path}?accessToken=access-sandbox-secret`, method === "POST" ? {} : undefined);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ error: "access_token_in_query" });
  });

  it("is told to connect again when the provider wants him, with what to do", async () => {
    const mine = await phone();
    const link = await mine("POST", "/connectors/plaid/link", { returnUrl });
    const id = (await consent(String(link.body["authUrl"]))).searchParams.get("connectionId");
    const key = { headers: { "x-sandbox-key": demoWorld.operatorKey } };
    const { body } = await call("GET", `${urls.providers.plaid}/_control/items`, key);
    const items = (body["items"] as { itemId: string; createdAt: string }[]).toSorted((one, two) =>
      two.createdAt.localeCompare(one.createdAt),
    );
    await call("POST", `${urls.providers.plaid}/_control/items/${items[0]?.itemId}/login-required`, key);
    await eventually(async () => {
      const { body: connection } = await mine("GET", `/connectors/connections/${id}`);
      return connection["state"] === "EXPIRED" ? connection : undefined;
    });
    const refused = await mine("GET", `/connectors/plaid/connections/${id}/accounts`);
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ error: "reauthorization_required", action: "reconnect" });
    const { body: listed } = await mine("GET", "/mobile/accounts");
    expect(listed["errors"]).toMatchObject([{ error: "reauthorization_required", connectionId: id }]);
  });

  it("disconnects, and everything of it is gone", async () => {
    connectionId = await stillConnected(me, connectionId, connect);
    const answer = await me("DELETE", `/connectors/connections/${connectionId}`);
    expect(answer.body).toMatchObject({ success: true, revokedAtProvider: true });
    expect((await me("GET", `/connectors/connections/${connectionId}`)).status).toBe(404);
    expect((await me("GET", "/mobile/accounts")).body).toEqual({ accounts: [] });
  });
});

it("connects a profile at Wise, whose statements need our key, and has its lines by itself", async () => {
  const me = await phone();
  const link = await me("POST", "/connectors/wise/link", { returnUrl });
  const browser = new FormBrowser();
  let page = await browser.open(String(link.body["authUrl"]));
  page = await browser.press(page, "Sign in", { "User name": "oliver", Password: "wilson" });
  const back = await browser.press(page, "Allow for Oliver Wilson", {}, (location) =>
    location.startsWith(urls.gateway),
  );
  const end = new URL((await call("GET", back.url)).headers.get("location") ?? "");
  const connectionId = end.searchParams.get("connectionId");
  const path = `/connectors/wise/connections/${connectionId}`;
  expect((await me("GET", `${path}/accounts`)).body["accounts"]).toHaveLength(3);
  const lines = await eventually(async () => {
    const { body } = await me("GET", `${path}/transactions?pageSize=100`);
    return body["nextPageToken"] === "" ? undefined : (body["transactions"] as unknown[]);
  });
  expect(lines).toHaveLength(100);
});

it("counts for operators", async () => {
  const answer = await call("GET", `${api}/connectors/statistics`, {
    headers: { "x-admin-key": demoWorld.operatorKey },
  });
  expect(answer.status).toBe(200);
  expect(answer.body["connections"]).toBeInstanceOf(Array);
  expect((await call("GET", `${api}/connectors/statistics`)).status).toBe(401);
});

it("renews access for operators, where connections hold a token of their own", async () => {
  const headers = { "x-admin-key": demoWorld.operatorKey };
  const order = (connector: string) => `${api}/v1/connectors/${connector}/renew-access`;
  expect(await call("POST", order("basiq"), { headers, body: {} })).toMatchObject({
    status: 400,
    body: { error: "bad_request", message: "connections of this connector hold no token of their own" },
  });
  expect((await call("POST", order("nobody"), { headers, body: {} })).body).toMatchObject({
    error: "connector_not_found",
  });
  expect((await call("POST", order("plaid"), { body: {} })).status).toBe(401);
});
