import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { readConfig } from "../../platform/config/read-config.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { eventually } from "../../platform/testing/eventually.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { ProviderCall } from "./connector.ts";
import { openProviderHttp, type ProviderHttp } from "./provider-http.ts";
import { connectorSettingsShape, createConnectors, limitsOf } from "./registry.ts";

const providers = ["basiq", "mastercard", "plaid", "truelayer", "wise"] as const;

/** A provider that answers nobody until it is told to, and writes down when each request came. */
interface Provider {
  readonly origin: string;
  readonly came: number[];
  underWay(): number;
  answerAll(): void;
  close(): Promise<void>;
}

async function startProvider(): Promise<Provider> {
  const came: number[] = [];
  const waiting = new Set<ServerResponse>();
  let isOpen = false;
  const answer = (response: ServerResponse) => response.writeHead(503).end();
  const server = createServer((request, response) => {
    request.resume();
    came.push(performance.now());
    if (isOpen) return void answer(response);
    waiting.add(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens
  return {
    origin: `http://127.0.0.1:${port}`,
    came,
    underWay: () => waiting.size,
    answerAll: () => {
      isOpen = true;
      for (const response of waiting) answer(response);
      waiting.clear();
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let http: ProviderHttp;
beforeAll(() => {
  http = openProviderHttp();
});
afterAll(() => http.close());

function connectorsAt(origin: string) {
  const settings = readConfig(z.object(connectorSettingsShape), {
    ...{ BASIQ_API_KEY: "key-of-the-test", BASIQ_BASE_URL: origin, PLAID_CLIENT_ID: "client", PLAID_SECRET: "secret" },
    ...{ PLAID_BASE_URL: origin, TRUELAYER_CLIENT_ID: "client", TRUELAYER_CLIENT_SECRET: "secret" },
    ...{ TRUELAYER_REDIRECT_URI: "http://127.0.0.1/callback", TRUELAYER_ENV: "sandbox", TRUELAYER_BASE_URL: origin },
    ...{ WISE_CLIENT_ID: "client", WISE_CLIENT_SECRET: "secret", WISE_BASE_URL: origin, OPEN_BANKING_APP_KEY: "key" },
    ...{ OPEN_BANKING_PARTNER_ID: "1", OPEN_BANKING_PARTNER_SECRET: "secret", OPEN_BANKING_BASE_URL: origin },
  });
  const parts = {
    http,
    // The installation's own tokens are at hand: every request below is one for data.
    providerTokens: { get: async () => "token-of-the-installation", reject: async () => undefined },
    banks: { find: () => undefined, list: () => [] },
    providerClients: { find: async () => undefined },
    ...{ insecureAllowed: true, clock: systemClock, log: createLogger({ service: "test", level: "silent" }) },
  };
  return createConnectors(parts, settings);
}

describe.concurrent("the connector of", () => {
  it.each(providers)("%s asks its provider no more at once, and no faster, than its limits say", async (name) => {
    const provider = await startProvider();
    const connector = connectorsAt(provider.origin).get(name);
    const limits = limitsOf(name);
    if (connector === undefined || limits === undefined) throw new Error(`${name} is not set up`);
    const { concurrencyMax, requestsPerSecondMax } = limits;
    const call: ProviderCall = { now: new Date(), timeoutMs: 30_000 };
    const access = { institutionId: "bank", accessToken: "12/34", providerReference: "reference", ownerReference: "1" };
    const startedMs = performance.now();
    const asked = Array.from({ length: concurrencyMax + 8 }, () =>
      connector.listAccounts(access, call).catch(() => undefined),
    );
    try {
      await eventually("as many as may be", () => provider.underWay() >= concurrencyMax);
      // Whoever is one too many would have come by now, were there no limit: there is room in the rate again.
      await pause(2_000 / requestsPerSecondMax);
      expect(provider.underWay()).toBe(concurrencyMax);
      // A second's worth may come at once, and then as many as the rate lets through.
      const lastMs = (provider.came.at(-1) ?? 0) - startedMs;
      expect(lastMs).toBeGreaterThanOrEqual(
        ((concurrencyMax - requestsPerSecondMax - 1) * 1_000) / requestsPerSecondMax,
      );
      provider.answerAll();
      await Promise.all(asked);
      expect(provider.came.length).toBeGreaterThanOrEqual(concurrencyMax + 8);
    } finally {
      provider.answerAll();
      await Promise.all(asked);
      await provider.close();
    }
  });
});
