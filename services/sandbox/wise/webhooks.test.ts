import { verify } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ReceivedWebhook } from "../kit/testing/webhook-receiver.ts";
import { basicOf, type RunningWise, startWise, type WiseTokens, wiseApp } from "./testing/start-wise.ts";

const minuteMs = 60_000;
let wise: RunningWise;
let tokens: WiseTokens & { readonly profileId: string };
beforeAll(async () => {
  wise = await startWise();
});
afterAll(() => wise?.stop());
beforeEach(async () => {
  await wise.control("POST", "/reset");
  wise.receiver.received.length = 0;
  wise.receiver.answer = () => 200;
  tokens = await wise.connect({ username: "mira" });
});

const send = (more: object = {}) =>
  wise.control("POST", "/webhooks", { type: "balances#update", profileId: Number(tokens.profileId), ...more });
const next = () => wise.receiver.next(() => true);
const arrived = async (count: number) => {
  await expect.poll(() => wise.receiver.received.length).toBe(count);
  return wise.receiver.received;
};

async function isSigned({ raw, headers }: ReceivedWebhook): Promise<boolean> {
  const key = (await wise.call("/webhook-public-key")).text;
  return verify("sha256", Buffer.from(raw), key, Buffer.from(String(headers["x-signature-sha256"]), "base64"));
}

/**
 * Waits until the one event stands as given. An attempt is counted when it begins; its status is noted when it is over, and when it comes
 * again counts from then: each attempt of a test has a status of its own.
 */
async function noted(webhook: object): Promise<void> {
  await expect.poll(async () => (await wise.control("GET", "/webhooks")).body).toMatchObject({ webhooks: [webhook] });
}

describe("a webhook", () => {
  it("has Wise's envelope and an RSA signature of its body by the published key", async () => {
    await send();
    const webhook = await next();
    expect(await isSigned(webhook)).toBe(true);
    expect(webhook.headers["x-test-notification"]).toBeUndefined();
    expect(webhook.body).toMatchObject({
      event_type: "balances#update",
      schema_version: "2.0.0",
      data: { resource: { profile_id: Number(tokens.profileId), type: "balance-account" }, transaction_type: "credit" },
    });
    expect((await wise.call("/webhook-public-key")).text).not.toContain("PRIVATE");
  });

  it.each(["wrong_key", "wrong_body"])("is not signed truly when asked for %s", async (signature) => {
    await send({ signature });
    expect(await isSigned(await next())).toBe(false);
  });

  it("can be unsigned, or of last month", async () => {
    await send({ signature: "missing" });
    expect((await next()).headers["x-signature-sha256"]).toBeUndefined();
    await send({ signature: "stale" });
    const stale = await next();
    expect(await isSigned(stale)).toBe(true);
    expect(wise.clock.now().getTime() - Date.parse(String(stale.body["sent_at"]))).toBeGreaterThan(29 * 86_400_000);
  });

  it("comes again after 1, 2, 4 minutes, the same bytes under another delivery id", async () => {
    let tried = 0;
    wise.receiver.answer = () => 500 + ++tried;
    await send();
    await noted({ attempts: 1, lastStatus: 501 });
    for (const [pause, count] of [
      [1, 2],
      [2, 3],
      [4, 4],
    ] as const) {
      wise.clock.advance(pause * minuteMs - 1_000);
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(wise.receiver.received.length).toBe(count - 1);
      wise.clock.advance(1_000);
      await noted({ attempts: count, lastStatus: 500 + count });
    }
    const all = wise.receiver.received;
    expect(new Set(all.map(({ raw }) => raw)).size).toBe(1);
    expect(new Set(all.map(({ headers }) => headers["x-delivery-id"])).size).toBe(4);
  });

  it("tells of money that came in by both kinds of event", async () => {
    const { people } = (await wise.control("GET", "/people")).body as {
      people: { username: string; profiles: { balances: { balanceId: number }[] }[] }[];
    };
    const balanceId = people.find((each) => each.username === "mira")?.profiles[0]?.balances[0]?.balanceId;
    await wise.control("POST", "/transactions", { balanceId, amount: 20.5, description: "Gift" });
    const events = await arrived(2);
    expect(events.map(({ body }) => body["event_type"]).sort()).toEqual(["balances#credit", "balances#update"]);
    for (const { body } of events) expect(body["data"]).toMatchObject({ amount: 20.5, resource: { id: balanceId } });
  });
});

describe("subscriptions", () => {
  const json = (body: object, authorization: string, method = "POST") => ({
    method,
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const applicationToken = async () =>
    `Bearer ${(await wise.token({ grant_type: "client_credentials" })).body["access_token"]}`;
  const path = `/v3/applications/${wiseApp.clientId}/subscriptions`;
  const wanted = (trigger_on: string) => ({
    name: "of the test",
    trigger_on,
    delivery: { version: "2.0.0", url: wise.receiver.url },
  });

  it("of the application are made, listed, tested and removed with its own token", async () => {
    const authorization = await applicationToken();
    const made = await wise.call(path, json(wanted("balances#update"), authorization));
    expect(made.body).toMatchObject({ trigger_on: "balances#update", scope: { domain: "application" } });
    const listed = await wise.call(path, { headers: { authorization } });
    expect(JSON.parse(listed.text)).toEqual([made.body]);
    await wise.call(`${path}/${made.body["id"]}/test-notifications`, { method: "POST", headers: { authorization } });
    const test = await next();
    expect(test.headers["x-test-notification"]).toBe("true");
    expect(test.body["data"]).toMatchObject({ resource: { id: 0, profile_id: 0 } });
    await send();
    expect((await arrived(3)).map(({ body }) => body["subscription_id"])).toContain(made.body["id"]);
    expect(
      (await wise.call(`${path}/${made.body["id"]}`, { method: "DELETE", headers: { authorization } })).status,
    ).toBe(204);
    expect((await wise.call(`${path}/${made.body["id"]}`, { headers: { authorization } })).status).toBe(404);
  });

  it("of a profile are made with its person's token, and hear of that profile alone", async () => {
    const own = `/v3/profiles/${tokens.profileId}/subscriptions`;
    const authorization = `Bearer ${tokens.access_token}`;
    const made = await wise.call(own, json(wanted("balances#credit"), authorization));
    const other = await wise.connect({ username: "oliver" });
    await send({ type: "balances#credit", profileId: Number(other.profileId) });
    await arrived(1);
    await send({ type: "balances#credit" });
    const heard = (await arrived(3)).filter(({ body }) => body["subscription_id"] === made.body["id"]);
    expect(heard).toHaveLength(1);
    expect((await wise.call(own, json(wanted("balances#credit"), `Bearer ${other.access_token}`))).status).toBe(403);
  });

  it("are refused for events of the other kind, an address with a query, and without a token", async () => {
    const authorization = await applicationToken();
    const status = async (body: object, by = authorization) => (await wise.call(path, json(body, by))).status;
    expect(await status(wanted("balances#credit"))).toBe(422);
    expect(await status(wanted("nothing#known"))).toBe(422);
    const query = { ...wanted("balances#update"), delivery: { version: "2.0.0", url: `${wise.receiver.url}?a=1` } };
    expect(await status(query)).toBe(422);
    expect(await status(wanted("balances#update"), basicOf())).toBe(401);
    expect(await status(wanted("balances#update"), `Bearer ${tokens.access_token}`)).toBe(403);
  });
});

describe("faults", () => {
  const balances = () => wise.read(`/v4/profiles/${tokens.profileId}/balances?types=STANDARD`, tokens.access_token);
  const fault = (body: object) => wise.control("POST", "/faults", body);

  it("strike in Wise's words, as often as asked, on their route alone", async () => {
    await fault({ kind: "rate_limit", path: "/v4/profiles/:profileId/balances", retryAfterSeconds: 7 });
    expect((await wise.read("/v2/profiles", tokens.access_token)).status).toBe(200);
    const limited = await balances();
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "7"]);
    await fault({ kind: "server_error", status: 503 });
    expect((await balances()).status).toBe(503);
    await fault({ kind: "provider_error", code: "invalid_token" });
    expect((await balances()).body["error"]).toBe("invalid_token");
    expect((await fault({ kind: "provider_error", code: "made_up" })).status).toBe(400);
    expect((await balances()).status).toBe(200);
  });

  it("lose the answer of a refresh that has happened", async () => {
    await fault({ kind: "lost_answer", path: "/oauth/token" });
    await expect(wise.refresh(tokens.refresh_token)).rejects.toThrow();
    expect((await wise.refresh(tokens.refresh_token)).body["error"]).toBe("invalid_grant");
  });
});
