import { beforeAll, describe, expect, it } from "vitest";
import { demoWorld } from "../deploy/local/world.ts";
import { FormBrowser } from "../services/platform/testing/form-browser.ts";
import { call } from "./harness/call.ts";
import { eventually, type Phone, phoneAt, stillConnected } from "./harness/phone.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

const { urls } = sharedMesh();
const operator = { headers: { "x-sandbox-key": demoWorld.operatorKey } };

/** Follows the browser from Basiq's page through our callback; the address it ends at. */
async function consent(authUrl: string): Promise<URL> {
  const browser = new FormBrowser();
  let page = await browser.open(authUrl);
  page = await browser.press(page, "Wattle Mutual Bank");
  page = await browser.press(page, "Sign in", { "User name": "richard", Password: "tabsnotspaces" });
  const back = await browser.press(page, "Allow", {}, (location) => location.startsWith(urls.gateway));
  const answer = await call("GET", back.url);
  expect(answer.status).toBe(302);
  return new URL(answer.headers.get("location") ?? "");
}

describe("a person who connects an account at Basiq", () => {
  let me: Phone;
  let connectionId: string;

  async function connect(): Promise<string> {
    const link = await me("POST", "/connectors/basiq/link", { returnUrl: "mwsim://connected" });
    expect(link.status).toBe(200);
    return (await consent(String(link.body["authUrl"]))).searchParams.get("connectionId") ?? "";
  }

  beforeAll(async () => {
    me = await phoneAt(`${urls.gateway}/api`);
    connectionId = await connect();
  });

  it("sees his accounts beside those of banks, and his history, fetched by itself", async () => {
    const listed = await eventually(async () => {
      const accounts = (await me("GET", "/mobile/accounts")).body["accounts"] as object[];
      return accounts.length === 3 ? accounts : undefined;
    });
    expect(listed).toContainEqual(expect.objectContaining({ bankName: "Wattle Mutual Bank", connectionId }));
    const path = `/connectors/basiq/connections/${connectionId}/transactions?pageSize=100`;
    await eventually(async () => {
      const { body } = await me("GET", path);
      return body["nextPageToken"] === "" ? undefined : body;
    });
  });

  it("sees a payment at his bank by a webhook, and is asked to come when the bank wants him", async () => {
    const control = (path: string, body?: object) =>
      call("POST", `${urls.providers.basiq}/_control${path}`, { ...operator, ...(body === undefined ? {} : { body }) });
    const { body } = await call("GET", `${urls.providers.basiq}/_control/connections`, operator);
    const [newest] = body["connections"] as { connectionId: string }[];
    const description = `PAID ${connectionId.slice(0, 8)}`;
    await control(`/connections/${newest?.connectionId}/transactions`, { minor: -1_250, description });
    await eventually(async () => {
      const path = `/connectors/basiq/connections/${connectionId}/transactions?pageSize=20`;
      const transactions = (await me("GET", path)).body["transactions"] as { description: string }[];
      return transactions.find((each) => each.description === description);
    });
    await control(`/connections/${newest?.connectionId}/invalidate`);
    await eventually(async () => {
      const { body: connection } = await me("GET", `/connectors/connections/${connectionId}`);
      return connection["state"] === "EXPIRED" ? connection : undefined;
    });
  });

  it("disconnects, and Basiq has nothing of him any more", async () => {
    connectionId = await stillConnected(me, connectionId, connect);
    const answer = await me("DELETE", `/connectors/connections/${connectionId}`);
    expect(answer.body).toMatchObject({ success: true, revokedAtProvider: true });
    expect((await me("GET", "/mobile/accounts")).body).toEqual({ accounts: [] });
  });
});
