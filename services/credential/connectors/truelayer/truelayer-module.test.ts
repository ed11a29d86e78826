import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connector } from "../connector.ts";
import { openProviderHttp, type ProviderHttp } from "../provider-http.ts";
import { type ConnectorOptions, makeConnector, must, start } from "./testing/truelayer-world.ts";

const complete = {
  TRUELAYER_CLIENT_ID: "app",
  TRUELAYER_CLIENT_SECRET: "secret-of-the-app",
  TRUELAYER_REDIRECT_URI: "https://bank.example/api/v1/integrations/truelayer/callback",
};
let http: ProviderHttp;
beforeAll(() => {
  http = openProviderHttp();
});
afterAll(() => http?.close());

const make = (env: Readonly<Record<string, string>>, options: Omit<ConnectorOptions, "env"> = {}) =>
  makeConnector(http, { env, ...options });
const linkOf = async (connector: Connector | undefined) => {
  const begun = await must(connector).begin(start, { now: new Date(), timeoutMs: 1_000 });
  return new URL(must(begun.authUrl));
};

describe("the mode of TrueLayer", () => {
  it.each([
    [{}, "https://auth.truelayer.com", "uk-ob-all de-xs2a-all at-xs2a-all"],
    [{ TRUELAYER_ENV: "sandbox" }, "https://auth.truelayer-sandbox.com", "mock"],
    [{ TRUELAYER_SANDBOX: "true" }, "https://auth.truelayer-sandbox.com", "mock"],
    [{ TRUELAYER_SANDBOX: "false" }, "https://auth.truelayer.com", "uk-ob-all de-xs2a-all at-xs2a-all"],
    [
      { TRUELAYER_ENV: "production", TRUELAYER_SANDBOX: "true" },
      "https://auth.truelayer.com",
      "uk-ob-all de-xs2a-all at-xs2a-all",
    ],
    [{ TRUELAYER_PROVIDERS: "uk-ob-all, fr-stet-all" }, "https://auth.truelayer.com", "uk-ob-all fr-stet-all"],
  ])("of %j is at %s and offers %s", async (env, origin, providers) => {
    const link = await linkOf(make({ ...complete, ...env }));
    expect([link.origin, link.searchParams.get("providers")]).toEqual([origin, providers]);
    expect(link.searchParams.has("enable_mock")).toBe(providers === "mock");
  });

  it("is told at the start, and so is what is deprecated or does nothing", () => {
    const logLines: string[] = [];
    make(
      {
        ...complete,
        TRUELAYER_SANDBOX: "1",
        TRUELAYER_ENCRYPTION_KEY: "k".repeat(32),
        TRUELAYER_WEBHOOK_SECRET: "w".repeat(32),
      },
      { logLines },
    );
    const text = logLines.join("");
    expect(text).toContain("TrueLayer runs in sandbox mode");
    expect(text).toContain("TRUELAYER_SANDBOX is deprecated");
    expect(text).toContain("TRUELAYER_ENCRYPTION_KEY is not used");
    expect(text).toContain("TRUELAYER_WEBHOOK_SECRET is not used");
    expect(text).not.toMatch(/k{32}|w{32}|secret-of-the-app/);
  });
});

describe("the settings of TrueLayer", () => {
  it("are absent: then it is simply not there", () => {
    expect(make({})).toBeUndefined();
    expect(
      make({ TRUELAYER_SCOPES: "accounts offline_access", TRUELAYER_WEBHOOK_MODE: "tl_signature" }),
    ).toBeUndefined();
  });

  it.each([
    [{ TRUELAYER_ENV: "sandbox" }, ["TRUELAYER_CLIENT_ID", "TRUELAYER_CLIENT_SECRET", "TRUELAYER_REDIRECT_URI"]],
    [{ TRUELAYER_CLIENT_ID: "app" }, ["TRUELAYER_CLIENT_SECRET", "TRUELAYER_REDIRECT_URI"]],
    [
      { TRUELAYER_WEBHOOK_SECRET: "a-secret" },
      ["TRUELAYER_CLIENT_ID", "TRUELAYER_CLIENT_SECRET", "TRUELAYER_REDIRECT_URI"],
    ],
  ])("that are half there, as in %j, name every variable that is missing", (env, missing) => {
    expect(() => make(env)).toThrow(missing.map((name) => `${name} is not set`).join("\n"));
  });

  it.each([
    [{ TRUELAYER_REDIRECT_URI: "http://bank.example/callback" }, true, "TRUELAYER_REDIRECT_URI: needs https"],
    [
      { TRUELAYER_ENV: "sandbox", TRUELAYER_REDIRECT_URI: "http://b.example/c" },
      false,
      "TRUELAYER_REDIRECT_URI: needs",
    ],
    [{ TRUELAYER_REDIRECT_URI: "https://bank.example/callback?x=1" }, true, "has a query"],
    [{ TRUELAYER_BASE_URL: "http://127.0.0.1:9201" }, false, "TRUELAYER_BASE_URL: needs https"],
    [{ TRUELAYER_WEBHOOK_URL: "http://bank.example/hook" }, false, "TRUELAYER_WEBHOOK_URL: needs https"],
    [{ TRUELAYER_SCOPES: "accounts balance" }, true, "TRUELAYER_SCOPES: needs accounts and offline_access"],
    [{ TRUELAYER_WEBHOOK_MODE: "hmac" }, true, "TRUELAYER_WEBHOOK_SECRET is not set"],
    [{ TRUELAYER_ENV: "staging" }, true, "TRUELAYER_ENV"],
    [{ TRUELAYER_PROVIDERS: "uk ob*" }, true, "TRUELAYER_PROVIDERS"],
  ])("refuse %j (local: %s) with %s", (env, insecureAllowed, text) => {
    expect(() => make({ ...complete, ...env }, { insecureAllowed })).toThrow(text);
  });

  it("admit http for the way back where the environment is local and TrueLayer its sandbox", async () => {
    const redirectUri = "http://127.0.0.1:8080/api/v1/integrations/truelayer/callback";
    const env = { ...complete, TRUELAYER_ENV: "sandbox", TRUELAYER_REDIRECT_URI: redirectUri };
    expect((await linkOf(make(env))).searchParams.get("redirect_uri")).toBe(redirectUri);
  });

  it("without the scope of transactions make a connector without them", () => {
    const connector = make({ ...complete, TRUELAYER_SCOPES: "accounts balance offline_access" });
    expect(connector?.syncTransactions).toBeUndefined();
  });
});
