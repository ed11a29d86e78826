import type { FastifyInstance } from "fastify";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHttpServer } from "../../platform/http/create-http-server.ts";
import { createRateLimiter } from "../../platform/limits/rate-limiter.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { credentialErrors } from "../rpc/error-table.ts";
import { asPhoneOf, testAddresses } from "../testing/credential-world.ts";
import { createPlaidWorld, type PlaidWorld, visitPlaid } from "../testing/plaid-world.ts";
import { addConnectorRoutes } from "./connector-routes.ts";
import { createConsentBrowsers } from "./consent-browsers.ts";

let its: PlaidWorld;
let app: FastifyInstance;
let user: string;

beforeAll(async () => {
  its = await createPlaidWorld();
  const { deps } = its.replica;
  app = createHttpServer({
    service: "credential",
    errorTable: credentialErrors,
    log: createLogger({ service: "credential", level: "silent" }),
  });
  addConnectorRoutes(app, {
    deps,
    limiter: createRateLimiter({ db: deps.storage.db }),
    browsers: createConsentBrowsers({ key: deps.storage.browserMarkKey, secure: false }),
    mobileUser: async (ctx) => {
      const userId = /^Bearer (.+)$/.exec(ctx.header("authorization") ?? "")?.[1];
      return userId === undefined ? undefined : { kind: "mobile_user", userId, deviceId: "d" };
    },
  });
  await app.ready();
});
afterAll(async () => {
  await app?.close();
  await its?.close();
});
beforeEach(() => {
  user = `user-${crypto.randomUUID()}`;
});

/** An address nobody else comes from. */
function freshAddress(): string {
  return `2001:db8::${crypto
    .randomUUID()
    .slice(0, 8)
    .replace(/^(.{4})/, "$1:")}`;
}

/** What the trail has of whoever came from an address. */
async function actsFrom(address: string) {
  const { rows } = await sql<{ action: string; outcome: string; user_agent: string; duration_ms: number }>`
    select action, outcome, user_agent, duration_ms from audit_entries
    where client_address = ${address} order by at, chain, sequence`.execute(its.replica.deps.storage.db.query);
  return rows;
}

async function alerts(outcome: string) {
  const query = its.replica.deps.storage.db.query.selectFrom("audit_entries").selectAll();
  return await query.where("action", "=", "security_alert").where("outcome", "=", outcome).execute();
}

describe("a callback", () => {
  async function returned(returnUrl: string): Promise<URLSearchParams> {
    const begun = await its.replica.gateway.linkConnector({ connector: "plaid", returnUrl }, asPhoneOf(user));
    return await visitPlaid(begun.authUrl ?? "");
  }

  it("ends the consent and sends the browser on, once", async () => {
    const query = await returned("mwsim://connected");
    const url = `/api/connectors/plaid/callback?${query}`;
    const answer = await app.inject({ method: "GET", url });
    expect(answer.statusCode).toBe(302);
    const location = new URL(answer.headers.location ?? "");
    expect(location.protocol).toBe("mwsim:");
    const { connections } = await its.replica.gateway.listUserConnections({}, asPhoneOf(user));
    expect(location.searchParams.get("connectionId")).toBe(connections[0]?.connectionId);
    expect([...location.searchParams.keys()].sort()).toEqual(["connectionId", "connector"]);
    const again = await app.inject({ method: "GET", url });
    expect(new URL(again.headers.location ?? "").searchParams.get("error")).toBe("invalid_state");
    expect((await its.replica.gateway.listUserConnections({}, asPhoneOf(user))).connections).toHaveLength(1);
  });

  it("leaves its address, browser and how long the exchange took in the trail, whether it went well or not", async () => {
    const headers = { "user-agent": "Browser of the test/1.0" };
    for (const fault of [
      { kind: "latency", ms: 60, outcome: "ok", tookMs: 60 },
      { kind: "server_error", status: 503, outcome: "unavailable", tookMs: 1 },
    ]) {
      const query = await returned(testAddresses.returnUrls[0] ?? "");
      const { outcome, tookMs, ...strike } = fault;
      await its.plaid.control("POST", "/faults", { ...strike, path: "/item/public_token/exchange", times: 5 });
      const remoteAddress = freshAddress();
      await app.inject({ method: "GET", url: `/api/connectors/plaid/callback?${query}`, headers, remoteAddress });
      await its.plaid.control("DELETE", "/faults");
      const acts = await actsFrom(remoteAddress);
      expect(new Set(acts.map((act) => act.user_agent))).toEqual(new Set([headers["user-agent"]]));
      const exchanged = acts.find((act) => act.action === "token_exchange");
      expect(exchanged?.outcome).toBe(outcome);
      expect(exchanged?.duration_ms).toBeGreaterThanOrEqual(tookMs);
    }
  });

  it("is 429 with a time to wait once sixty came from one address in a minute, and nobody else waits", async () => {
    const from = (remoteAddress: string) =>
      app.inject({ method: "GET", url: "/api/connectors/plaid/callback?state=x&code=y", remoteAddress });
    const remoteAddress = freshAddress();
    const answers = await Promise.all(Array.from({ length: 65 }, () => from(remoteAddress)));
    const refused = answers.filter((answer) => answer.statusCode === 429);
    expect(refused).toHaveLength(5);
    for (const answer of refused) {
      expect(answer.json()).toMatchObject({ error: "rate_limit_exceeded" });
      expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(1);
      expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(60);
    }
    expect((await from(freshAddress())).json()).toMatchObject({ error: "invalid_state" });
  });

  it("may come as a form, and a refusal is told by its word", async () => {
    const query = await returned(testAddresses.returnUrls[0] ?? "");
    query.delete("public_token");
    query.set("error", "access_denied");
    const answer = await app.inject({
      method: "POST",
      url: "/api/connectors/plaid/callback",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      payload: query.toString(),
    });
    expect(answer.statusCode).toBe(302);
    expect(answer.headers.location).toBe(`${testAddresses.returnUrls[0]}?connector=plaid&error=access_denied`);
  });

  it.each([
    ["/api/connectors/plaid/callback?state=made-up&public_token=x", "invalid_state"],
    ["/api/connectors/plaid/callback", "invalid_state"],
    ["/api/connectors/nobody/callback?state=x&code=y", "connector_not_found"],
  ])("%s is %s and goes nowhere", async (url, error) => {
    const answer = await app.inject({ method: "GET", url });
    expect(answer.headers.location).toBeUndefined();
    expect(answer.json()).toMatchObject({ error });
  });
});

describe("an access token in an address", () => {
  it("is refused with an alert of the path alone, with its owner where he is known", async () => {
    const before = (await alerts("access_token_in_query")).length;
    const answer = await app.inject({
      method: "POST",
      url: "/api/connectors/access-token-in-query",
      headers: {
        authorization: `Bearer ${user}`,
        "x-refused-path": "/api/connectors/plaid/accounts",
        "content-type": "application/json",
      },
      payload: "{ not json",
    });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ error: "access_token_in_query" });
    const after = await alerts("access_token_in_query");
    expect(after).toHaveLength(before + 1);
    // Who it was stands beside the trail, where an erasure reaches it.
    const { rows } = await sql`
      select actor, connector_id, details->>'path' as path from connector_audit_logs
      where outcome = 'access_token_in_query' and user_id = ${user}`.execute(its.replica.deps.storage.db.query);
    expect(rows).toEqual([{ actor: "user", connector_id: "plaid", path: "/api/connectors/plaid/accounts" }]);
  });

  it("is refused as often as it comes, while a flood of them leaves thirty alerts a minute", async () => {
    const remoteAddress = freshAddress();
    const url = "/api/connectors/access-token-in-query";
    const headers = { "user-agent": "Flood/1.0" };
    const once = await app.inject({ method: "GET", url, headers, remoteAddress });
    expect([once.statusCode, once.json().error]).toEqual([400, "access_token_in_query"]);
    expect(await actsFrom(remoteAddress)).toMatchObject([{ action: "security_alert", user_agent: "Flood/1.0" }]);
    const flood = Array.from({ length: 40 }, () => app.inject({ method: "GET", url, headers, remoteAddress }));
    expect(new Set((await Promise.all(flood)).map((answer) => answer.statusCode))).toEqual(new Set([400]));
    expect(await actsFrom(remoteAddress)).toHaveLength(30);
  });
});
