import { describe, expect, it } from "vitest";
import { createHttpServer } from "../../platform/http/create-http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { IdentityTables } from "../storage/identity-tables.ts";
import { openBankIdentity } from "./bank-identity.ts";
import { deriveBankKeys } from "./bank-keys.ts";
import { clientMetadata } from "./bank-provider.ts";

let test: TestDatabase;
const log = { info() {}, warn() {}, error() {} };
setUp(async () => {
  test = await createTestDatabase({ schema: "bank", directory: new URL("../storage/migrations/", import.meta.url) });
  return () => test.drop();
});

function open(issuer: string) {
  return openBankIdentity({
    db: test.open<IdentityTables>(),
    keys: deriveBankKeys("x".repeat(32), "north-bank"),
    bsimId: "north-bank",
    name: "North Bank",
    issuer,
    openBankingUrl: "https://bank.example/open-banking",
    credentialKey: { secret: "y".repeat(32) },
    credentialLifeDays: 90,
    local: false,
    clock: systemClock,
    log,
  });
}

const client = {
  clientId: "wallet",
  name: "Wallet",
  secretHash: undefined,
  redirectUris: ["http://wallet.example/callback", "https://wallet.example/callback"],
  postLogoutRedirectUris: [],
  scopes: ["openid"],
  grantTypes: ["authorization_code"],
  merchantId: undefined,
};

describe("outside local development", () => {
  it("does not start with an http issuer", async () => {
    await expect(open("http://bank.example/oidc")).rejects.toThrow("must be https");
  });

  it("knows no plain http redirect URI, and no client that has nothing else", () => {
    expect(clientMetadata(client, true)?.redirect_uris).toEqual(["https://wallet.example/callback"]);
    expect(clientMetadata({ ...client, redirectUris: ["http://wallet.example/callback"] }, true)).toBeUndefined();
    expect(clientMetadata(client, false)?.redirect_uris).toHaveLength(2);
  });

  it("speaks https in every address and marks its cookies secure, although a proxy ends TLS before it", async () => {
    const identity = await open("https://bank.example/oidc");
    await test
      .open<IdentityTables>()
      .query.insertInto("oauth_clients")
      .values({
        client_id: "wallet",
        client_name: "Wallet",
        redirect_uris: [...client.redirectUris],
        scopes: ["openid"],
        grant_types: ["authorization_code"],
        secret_hash: null,
        merchant_id: null,
      })
      .execute();
    const app = createHttpServer({ service: "bank", errorTable: {}, log });
    await app.register(identity.routes);
    const origin = await app.listen({ host: "127.0.0.1", port: 0 });
    try {
      const discovery = JSON.stringify(await (await fetch(`${origin}/oidc/.well-known/openid-configuration`)).json());
      expect(discovery).not.toContain("http://");
      const ask = (redirect: string) =>
        fetch(
          `${origin}/oidc/auth?client_id=wallet&response_type=code&scope=openid&redirect_uri=${encodeURIComponent(redirect)}&code_challenge=${"c".repeat(43)}&code_challenge_method=S256`,
          { redirect: "manual" },
        );
      const started = await ask("https://wallet.example/callback");
      expect(started.status).toBe(303);
      const cookies = started.headers.getSetCookie();
      expect(cookies.length).toBeGreaterThan(0);
      for (const cookie of cookies) {
        expect(cookie).toMatch(/^north-bank\./);
        expect(cookie).toMatch(/; secure/i);
        expect(cookie).toMatch(/; httponly/i);
      }
      const refused = await ask("http://wallet.example/callback");
      expect(refused.status).toBe(400);
      expect(refused.headers.get("location")).toBeNull();
      expect(refused.headers.get("content-type")).toContain("text/html");
    } finally {
      await app.close();
    }
  });
});
