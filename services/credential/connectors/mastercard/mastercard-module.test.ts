import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../../platform/config/config-error.ts";
import { readConfig } from "../../../platform/config/read-config.ts";
import { createLogger } from "../../../platform/telemetry/logger.ts";
import { openProviderHttp } from "../provider-http.ts";
import { mastercardModule } from "./mastercard-module.ts";
import { mastercardSettings } from "./mastercard-settings.ts";

const complete = {
  OPEN_BANKING_PARTNER_ID: "1",
  OPEN_BANKING_PARTNER_SECRET: "a-secret-123",
  OPEN_BANKING_APP_KEY: "k",
};

function create(env: Record<string, string>, insecureAllowed = false) {
  const settings = readConfig(z.object(mastercardSettings), { PAYMESH_ENV: "local", ...env });
  const lines: string[] = [];
  const parts = {
    http: openProviderHttp(),
    providerTokens: { get: async () => "", reject: async () => undefined },
    banks: { find: () => undefined, list: () => [] },
    providerClients: { find: async () => undefined },
    insecureAllowed,
    clock: { now: () => new Date() },
    log: createLogger({ service: "credential", destination: { write: (line: string) => void lines.push(line) } }),
  };
  return { connector: mastercardModule.create(parts, settings), settings, lines };
}

describe("the settings", () => {
  it("are absent for an installation without Mastercard", () => {
    expect(create({}).connector).toBeUndefined();
  });

  it("name every missing one", () => {
    const missing = () => create({ OPEN_BANKING_APP_KEY: "k" });
    expect(missing).toThrow(ConfigError);
    expect(missing).toThrow(/OPEN_BANKING_PARTNER_ID[\s\S]*OPEN_BANKING_PARTNER_SECRET/);
  });

  it("point at the true provider unless told", () => {
    expect(create(complete).settings.OPEN_BANKING_BASE_URL).toBe("https://api.finicity.com");
    expect(create(complete).connector?.name).toBe("mastercard");
  });

  it("need https, and keys that are keys", () => {
    const env = {
      ...complete,
      OPEN_BANKING_BASE_URL: "http://x.example",
      OPEN_BANKING_WEBHOOK_PUBLIC_KEY: "not a key",
    };
    expect(() => create(env)).toThrow(/OPEN_BANKING_BASE_URL[\s\S]*OPEN_BANKING_WEBHOOK_PUBLIC_KEY/);
    expect(() => create({ ...complete, OPEN_BANKING_BASE_URL: "http://127.0.0.1:1" }, true)).not.toThrow();
  });
});
