import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import pino from "pino";
import { afterEach, expect, it } from "vitest";
import { createRegistryClient } from "../clients/registry.ts";
import { bankFacts } from "../domain/bank-facts.ts";
import { startRegistration } from "./registration.ts";

const facts = bankFacts({
  bsimId: "north-bank",
  name: "North Bank",
  apiBaseUrl: "http://127.0.0.1:9101",
  authServerUrl: "http://127.0.0.1:9101/oidc",
  openBankingUrl: "http://127.0.0.1:9101/open-banking",
});

interface Seen {
  readonly path: string;
  readonly key: string | undefined;
  readonly body: unknown;
}

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A registry's HTTP edge that answers with the status it is told to. */
async function startRegistry(statusOf: (seen: Seen, count: number) => number) {
  const seen: Seen[] = [];
  let wake = (): void => {};
  const server = createServer(async (request, response) => {
    const one = { path: request.url ?? "", key: header(request, "x-api-key"), body: JSON.parse(await text(request)) };
    seen.push(one);
    response.writeHead(statusOf(one, seen.length), { "content-type": "application/json" }).end("{}");
    wake();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const { port } = server.address() as AddressInfo; // a TCP server always has one
  return {
    seen,
    url: `http://127.0.0.1:${port}/api/v1/registry`,
    async until(count: number) {
      while (seen.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

async function text(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += chunk;
  return body;
}

function register(url: string, firstRetryMs = 5): void {
  const registry = createRegistryClient({
    url,
    registrationKey: "registration-key",
    facts,
    paymentApiKey: "payment-key",
  });
  const log = pino({ level: "silent" });
  stops.push(startRegistration({ registry, log, heartbeatMs: 10, firstRetryMs }).stop);
}

const path = "/api/v1/registry/bsims";
const paths = (seen: readonly Seen[]) => seen.map((each) => each.path.slice(path.length));

it("sends its whole record with its own key, then beats", async () => {
  const registry = await startRegistry(() => 201);
  register(registry.url);
  await registry.until(3);
  expect(paths(registry.seen).slice(0, 3)).toEqual(["", "/north-bank/heartbeat", "/north-bank/heartbeat"]);
  expect(registry.seen[0]).toMatchObject({
    key: "registration-key",
    body: {
      bsimId: "north-bank",
      name: "North Bank",
      apiBaseUrl: "http://127.0.0.1:9101",
      authServerUrl: "http://127.0.0.1:9101/oidc",
      openBankingUrl: "http://127.0.0.1:9101/open-banking",
      supportedCardTypes: ["VISA", "MC"],
      walletEnrollmentSupported: true,
      capabilities: ["idempotency", "void_by_key"],
      apiKey: "payment-key",
    },
  });
});

it("tries again while the registry is down or says no", async () => {
  const registry = await startRegistry((_seen, count) => (count < 4 ? ([401, 503, 500][count - 1] ?? 500) : 200));
  register(registry.url);
  await registry.until(5);
  expect(paths(registry.seen).slice(0, 5)).toEqual(["", "", "", "", "/north-bank/heartbeat"]);
});

it("registers again with a registry that has forgotten it", async () => {
  const registry = await startRegistry((seen, count) => (seen.path.endsWith("heartbeat") && count === 2 ? 404 : 200));
  register(registry.url);
  await registry.until(4);
  expect(paths(registry.seen).slice(0, 4)).toEqual(["", "/north-bank/heartbeat", "", "/north-bank/heartbeat"]);
});

it("stops at once, also while nobody answers", async () => {
  register("http://127.0.0.1:1/api/v1/registry", 60_000);
  const begun = performance.now();
  await stops.pop()?.();
  expect(performance.now() - begun).toBeLessThan(10_000);
});
