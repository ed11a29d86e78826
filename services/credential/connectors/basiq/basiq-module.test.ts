import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../../platform/config/config-error.ts";
import { readConfig } from "../../../platform/config/read-config.ts";
import { createLogger } from "../../../platform/telemetry/logger.ts";
import type { Connector } from "../connector.ts";
import { openProviderHttp } from "../provider-http.ts";
import type { ProviderTokens } from "../provider-tokens.ts";
import { basiqModule } from "./basiq-module.ts";

const unusedTokens: ProviderTokens = { get: async () => "", reject: async () => undefined };

function make(env: Readonly<Record<string, string>>, insecureAllowed = false): Connector | undefined {
  const settings = readConfig(z.object(basiqModule.settings), { PAYMESH_ENV: "local", ...env });
  return basiqModule.create(
    {
      http: openProviderHttp(),
      providerTokens: unusedTokens,
      banks: { find: () => undefined, list: () => [] },
      providerClients: { find: async () => undefined },
      insecureAllowed,
      clock: { now: () => new Date() },
      log: createLogger({ service: "credential", destination: { write: () => undefined } }),
    },
    settings,
  );
}

function problemsOf(env: Readonly<Record<string, string>>): string {
  try {
    make(env);
    return "";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe("Basiq's settings", () => {
  it("make no connector without a key, and one at Basiq's own address with it", () => {
    expect(make({})).toBeUndefined();
    expect(make({ BASIQ_API_KEY: "a-key-from-the-dashboard" })).toMatchObject({ name: "basiq", life: "app" });
  });

  it("make a connector without webhooks where no secret is known", () => {
    expect(make({ BASIQ_API_KEY: "a-key-from-the-dashboard" })?.webhook).toBeUndefined();
    const secrets = "whsec_b3VyIHdlYmhvb2sgc2VjcmV0, whsec_b3VyIG90aGVyIHNlY3JldCE";
    const key = { BASIQ_API_KEY: "a-key-from-the-dashboard" };
    expect(make({ ...key, BASIQ_WEBHOOK_SECRET: secrets })?.webhook?.headers).toContain("webhook-signature");
  });

  it("that are half there, or lead over plain http, name what is wrong", () => {
    expect(problemsOf({ BASIQ_WEBHOOK_SECRET: "whsec_b3VyIHdlYmhvb2sgc2VjcmV0" })).toContain("BASIQ_API_KEY");
    const plain = {
      BASIQ_API_KEY: "a-key-from-the-dashboard",
      BASIQ_BASE_URL: "http://basiq.example",
      BASIQ_CONSENT_URL: "http://consent.example",
    };
    expect(problemsOf(plain)).toContain("BASIQ_BASE_URL");
    expect(problemsOf(plain)).toContain("BASIQ_CONSENT_URL");
    expect(
      make({ ...plain, BASIQ_BASE_URL: "http://127.0.0.1:1", BASIQ_CONSENT_URL: "http://127.0.0.1:1" }, true),
    ).toBeDefined();
  });
});
