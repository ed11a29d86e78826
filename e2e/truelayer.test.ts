import { beforeAll, describe, expect, it } from "vitest";
import { demoWorld } from "../deploy/local/world.ts";
import { FormBrowser } from "../services/platform/testing/form-browser.ts";
import { call } from "./harness/call.ts";
import { eventually, type Phone, phoneAt, stillConnected } from "./harness/phone.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();
const api = `${urls.gateway}/api`;
const own = "/v1/integrations/truelayer";
const sandboxKey = { headers: { "x-sandbox-key": demoWorld.operatorKey } };

/** Follows the browser from TrueLayer's page through our callback; the address it ends at. */
async function consent(authUrl: string, bank?: string): Promise<URL> {
  const browser = new FormBrowser();
  let page = await browser.open(authUrl);
  if (bank !== undefined) page = await browser.press(page, bank);
  page = await browser.press(page, "Sign in", { "User name": "john", Password: "doe" });
  const back = await browser.press(page, "Allow", {}, (location) => location.startsWith(urls.gateway));
  expect(new URL(back.url).pathname).toBe(`/api${own}/callback`);
  const answer = await call("GET", back.url);
  expect(answer.status).toBe(302);
  return new URL(answer.headers.get("location") ?? "");
}

describe("a person who connects a bank through TrueLayer", () => {
  let me: Phone;
  let connectionId: string;

  async function connect(): Promise<string> {
    const link = await me("POST", `${own}/connect`, { returnUrl: "mwsim://connected" });
    expect(link.status).toBe(200);
    const end = await consent(String(link.body["authUrl"]), "Heron Building Society");
    return end.searchParams.get("connectionId") ?? "";
  }

  beforeAll(async () => {
    me = await phoneAt(api);
    connectionId = await connect();
  });

  it("sees accounts and history, in his phone's own list too", async () => {
    const path = `/connectors/truelayer/connections/${connectionId}`;
    expect((await me("GET", `${path}/accounts`)).body["accounts"]).toHaveLength(3);
    const lines = await eventually(async () => {
      const { body } = await me("GET", `${path}/transactions?pageSize=10`);
      const found = body["transactions"] as unknown[];
      return found.length === 10 ? found : undefined;
    });
    expect(lines[0]).toMatchObject({ currency: "GBP" });
    const listed = (await me("GET", "/mobile/accounts")).body["accounts"];
    expect(listed).toContainEqual(expect.objectContaining({ bankName: "Heron Building Society", connectionId }));
  });

  it("has a transaction brought by TrueLayer's webhook", async () => {
    const { body } = await call("GET", `${urls.providers.truelayer}/_control/people`, sandboxKey);
    const [john] = body["people"] as { accounts: { accountId: string; kind: string; providerId: string }[] }[];
    const account = john?.accounts.find((each) => each.providerId === "ob-heron" && each.kind === "current");
    const description = `TOLD OF ${connectionId}`;
    const transaction = { accountId: account?.accountId, amount: -1.23, description };
    const posted = { ...sandboxKey, body: transaction };
    expect((await call("POST", `${urls.providers.truelayer}/_control/transactions`, posted)).status).toBe(201);
    await eventually(async () => {
      const path = `/connectors/truelayer/connections/${connectionId}/transactions?pageSize=20`;
      const { body: page } = await me("GET", path);
      return (page["transactions"] as { description: string; amount: number }[]).find(
        (each) => each.description === description && each.amount === -1.23,
      );
    });
  });

  it("refreshes by the path its clients know", async () => {
    const answer = await me("POST", `${own}/connections/${connectionId}/refresh`);
    expect(answer.status).toBe(202);
    await eventually(async () => {
      const { body } = await me("GET", `/connectors/connections/${connectionId}/sync-history`);
      const runs = body["runs"] as { jobId: string; kind: string; state: string }[];
      return runs.find((run) => run.jobId === answer.body["jobId"] && run.state === "succeeded");
    });
    const foreign = await phoneAt(api);
    expect((await foreign("POST", `${own}/connections/${connectionId}/refresh`)).status).toBe(404);
  });

  it("extends the consent, at his strict bank with another sign-in there", async () => {
    const path = `/connectors/truelayer/connections/${connectionId}/extend`;
    expect((await me("POST", path, {})).status).toBe(400);
    const answer = await me("POST", path, { userHasReconfirmedConsent: true });
    expect(answer.body).toMatchObject({ connectionId, extended: false });
    const end = await consent(String(answer.body["authUrl"]));
    expect(end.searchParams.get("connectionId")).toBe(connectionId);
  });

  it("leaves, and TrueLayer confirms it", async () => {
    connectionId = await stillConnected(me, connectionId, connect);
    const answer = await me("DELETE", `/connectors/connections/${connectionId}`);
    expect(answer.body).toMatchObject({ success: true, revokedAtProvider: true });
  });
});

it("gives the auth link to a GET as well, and statistics to operators alone", async () => {
  const me = await phoneAt(api);
  const { body } = await me("GET", `${own}/connect`);
  expect(new URL(String(body["authUrl"])).origin).toBe(urls.providers.truelayer);
  expect((await call("GET", `${api}${own}/connect`)).status).toBe(401);
  const path = `${api}${own}/token-refresh/statistics`;
  const answer = await call("GET", path, { headers: { "x-admin-key": demoWorld.operatorKey } });
  expect(answer.status).toBe(200);
  expect(answer.body["refreshes"]).toBeInstanceOf(Array);
  expect((await call("GET", path)).status).toBe(401);
});
