import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../platform/config/read-config.ts";
import type { Answer } from "../kit/testing/start-in-test.ts";
import { trueLayerSandboxConfig } from "./config.ts";
import { type SandboxWorld, startSandboxWorld, type Tokens } from "./testing/sandbox-world.ts";

let world: SandboxWorld;
let tokens: Tokens;
beforeAll(async () => {
  world = await startSandboxWorld();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  await world.control("POST", "/reset");
  tokens = await world.connect();
});

const refusal = ({ status, body }: Answer) => [status, body["error"]];
const accounts = () => world.read("/data/v1/accounts", tokens.access_token);
const fault = (body: object) => world.control("POST", "/faults", body);

describe("faults", () => {
  it("strike as often as asked, on their route alone", async () => {
    await fault({ kind: "rate_limit", path: "/data/v1/accounts", retryAfterSeconds: 7, times: 2 });
    expect((await world.read("/data/v1/me", tokens.access_token)).status).toBe(200);
    for (let count = 0; count < 2; count += 1) {
      const answer = await accounts();
      expect(refusal(answer)).toEqual([429, "provider_too_many_requests"]);
      expect(answer.headers.get("retry-after")).toBe("7");
    }
    expect((await accounts()).status).toBe(200);
  });

  it("are TrueLayer's own words for errors", async () => {
    await fault({ kind: "provider_error", code: "sca_exceeded" });
    expect(refusal(await accounts())).toEqual([403, "sca_exceeded"]);
    await fault({ kind: "server_error", status: 502 });
    expect(refusal(await accounts())).toEqual([502, "internal_server_error"]);
    expect((await fault({ kind: "provider_error", code: "made_up" })).status).toBe(400);
  });

  it("are broken answers: a page, nothing, half", async () => {
    await fault({ kind: "html" });
    const page = await accounts();
    expect([page.status, page.headers.get("content-type")]).toEqual([502, "text/html"]);
    await fault({ kind: "empty" });
    expect((await accounts()).text).toBe("");
    await fault({ kind: "half" });
    await expect(accounts()).rejects.toThrow();
  });

  it("delay an answer", async () => {
    await fault({ kind: "latency", ms: 150 });
    const started = performance.now();
    expect((await accounts()).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThan(140);
  });

  it("lose the answer of a refresh that has happened, so that the old token is dead", async () => {
    await fault({ kind: "lost_answer", path: "/connect/token" });
    await expect(world.refresh(tokens.refresh_token)).rejects.toThrow();
    expect(refusal(await world.refresh(tokens.refresh_token))).toEqual([400, "invalid_grant"]);
  });

  it("leave a refresh undone when they strike before it", async () => {
    await fault({ kind: "server_error", status: 503, path: "/connect/token" });
    expect((await world.refresh(tokens.refresh_token)).status).toBe(503);
    expect((await world.refresh(tokens.refresh_token)).status).toBe(200);
  });
});

describe("the record of calls", () => {
  it("tells what was called and how it ended, without a secret", async () => {
    await world.control("DELETE", "/calls");
    await fault({ kind: "rate_limit", path: "/data/v1/accounts" });
    await accounts();
    await world.refresh(tokens.refresh_token);
    const answer = await world.control("GET", "/calls");
    expect(answer.body["calls"]).toMatchObject([
      {
        method: "GET",
        path: "/data/v1/accounts",
        status: 429,
        fault: "rate_limit",
        error: "provider_too_many_requests",
      },
      {
        method: "POST",
        path: "/connect/token",
        status: 200,
        fields: expect.arrayContaining(["grant_type=refresh_token"]),
      },
    ]);
    expect(answer.text).not.toContain(tokens.refresh_token);
    expect(answer.text).not.toContain(tokens.access_token);
  });
});

describe("the control API", () => {
  it("is closed without its key", async () => {
    for (const key of [undefined, "wrong"]) {
      const headers: Record<string, string> = key === undefined ? {} : { "x-sandbox-key": key };
      expect((await world.call("/_control/connections", { headers })).status).toBe(401);
    }
  });

  it("changes token lifetimes and refuses settings it does not know", async () => {
    await world.control("PATCH", "/settings", { accessTokenSeconds: 5 });
    expect((await world.refresh(tokens.refresh_token)).body["expires_in"]).toBe(5);
    expect((await world.control("PATCH", "/settings", { accessTokenSecond: 5 })).status).toBe(400);
  });
});

describe("the configuration", () => {
  it("is refused outside the local world and names what is missing", () => {
    const good = {
      SANDBOX_CONTROL_KEY: "k".repeat(16),
      SANDBOX_DATA_KEY: "d".repeat(32),
      TRUELAYER_CLIENT_ID: "id",
      TRUELAYER_CLIENT_SECRET: "s".repeat(8),
      TRUELAYER_REDIRECT_URIS: "http://127.0.0.1/callback",
      DATABASE_URL: "postgres://127.0.0.1/x",
    };
    expect(readConfig(trueLayerSandboxConfig, { ...good, PAYMESH_ENV: "local" }).PORT).toBe(9201);
    expect(() => readConfig(trueLayerSandboxConfig, { ...good, PAYMESH_ENV: "production" })).toThrow(
      "a sandbox runs only where it is local",
    );
    expect(() => readConfig(trueLayerSandboxConfig, { PAYMESH_ENV: "local" })).toThrow(
      "TRUELAYER_CLIENT_ID is not set",
    );
  });
});
