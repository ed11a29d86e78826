import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createLogger } from "../../platform/telemetry/logger.ts";
import type { TestDatabase } from "../../platform/testing/postgres.ts";
import { createBankHealthClient } from "../clients/bank-health.ts";
import type { BankId } from "../domain/bank-id.ts";
import type { RegistryDeps } from "../rpc/deps.ts";
import type { RegistryDatabase, RegistryTables } from "../storage/tables.ts";
import { createRegistryDatabase, registryDeps } from "../testing/registry-world.ts";
import { probeBanks } from "./probe-banks.ts";

const times = { intervalMs: 30_000, openMs: 60_000, timeoutMs: 300 };
const log = createLogger({ service: "registry", level: "silent" });
const client = createBankHealthClient({ timeoutMs: times.timeoutMs, rules: "local" });

let database: TestDatabase;
let db: RegistryDatabase;
let deps: RegistryDeps;
let bank: Server;
let baseUrl: string;
let answer: (
  path: string,
) => { status: number; headers?: Record<string, string>; body?: string; endless?: boolean } | undefined;
let hits: string[];
let id = "";
let counter = 0;

beforeAll(async () => {
  database = await createRegistryDatabase();
  db = database.open<RegistryTables>();
  deps = registryDeps(db);
  bank = createServer((request, response) => {
    hits.push(request.url ?? "");
    const reply = answer(request.url ?? "");
    if (!reply) return;
    response.writeHead(reply.status, reply.headers);
    if (reply.endless) response.write("{");
    else response.end(reply.body ?? "{}");
  }).listen(0, "127.0.0.1");
  await once(bank, "listening");
  baseUrl = `http://127.0.0.1:${(bank.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await deps.feed.stop();
  await client.close();
  bank.closeAllConnections();
  bank.close();
  await database.drop();
});

beforeEach(async () => {
  hits = [];
  answer = () => ({ status: 200 });
  counter += 1;
  id = `bank-${counter}`;
  await register(baseUrl);
});
afterEach(() => db.pool.query("update banks set status = 'inactive'"));

async function register(apiBaseUrl: string): Promise<void> {
  await deps.banks.save(id, (stored) => ({
    facts: {
      name: "North Bank",
      apiBaseUrl,
      authServerUrl: apiBaseUrl,
      openBankingUrl: undefined,
      cardTypes: [],
      binRanges: [],
      walletEnrollmentSupported: true,
      logoUrl: undefined,
      capabilities: [],
    },
    standing: stored ?? { status: "active", heldByOperator: false },
    apiKey: undefined,
  }));
}

function round(): Promise<void> {
  return probeBanks({ store: deps.probes, client, times, log }, new AbortController().signal);
}

/** Stands for the passing of the interval: the clock that counts is the database's. */
async function makeDue(): Promise<void> {
  await db.pool.query("update bank_probes set next_probe_at = now() where bank_id = $1", [id]);
}

/** Stands for the passing of a lease. */
async function endLease(): Promise<void> {
  await db.pool.query("update bank_probes set lease_until = now() where bank_id = $1", [id]);
}

async function healthOf(): Promise<string | undefined> {
  return (await deps.banks.find(id as BankId))?.health;
}

async function waitMs(): Promise<number> {
  const { rows } = await db.pool.query<{ ms: string }>(
    "select extract(epoch from next_probe_at - now()) * 1000 as ms from bank_probes where bank_id = $1",
    [id],
  );
  return Number(rows[0]?.ms);
}

it("probes a bank right after it registered, once, at {apiBaseUrl}/health", async () => {
  await register(`${baseUrl}/below`);
  await round();
  await round();
  expect(hits).toEqual(["/below/health"]);
  expect(await healthOf()).toBe("healthy");
  expect(await waitMs()).toBeGreaterThan(29_000);
  expect((await deps.probes.lastProbes([id])).get(id)).toBeInstanceOf(Date);
});

it("opens the circuit after five failures in a row, closes it at the trial, and writes a revision for each turn alone", async () => {
  await round();
  const start = await deps.reader.revision();
  answer = () => ({ status: 503 });
  for (let failure = 1; failure <= 5; failure += 1) {
    expect(await healthOf()).toBe("healthy");
    await makeDue();
    await round();
  }
  expect(await healthOf()).toBe("unhealthy");
  expect(await deps.reader.revision()).toBe(start + 1n);
  expect(await waitMs()).toBeGreaterThan(59_000);
  await makeDue();
  await round();
  expect(await deps.reader.revision()).toBe(start + 1n);
  answer = () => ({ status: 200 });
  await makeDue();
  await round();
  expect(await healthOf()).toBe("healthy");
  expect(await deps.reader.revision()).toBe(start + 2n);
});

it.each([
  ["answers with a redirect", () => ({ status: 302, headers: { location: "/elsewhere" } })],
  ["answers with an error", () => ({ status: 500 })],
  ["never ends its answer", () => ({ status: 200, endless: true })],
  ["does not answer in time", () => undefined],
])("counts a failure when the bank %s", async (_, reply) => {
  answer = reply;
  expect(await client.isUp(baseUrl, new AbortController().signal)).toBe(false);
  expect(hits).toEqual(["/health"]);
});

it("reads no more of a large answer than it must to know that the bank is up", async () => {
  let sent = 0;
  const closed = Promise.withResolvers<void>();
  const talkative = createServer((_request, response) => {
    const chunk = Buffer.alloc(64 * 1024);
    const timer = setInterval(() => {
      sent += chunk.length;
      response.write(chunk);
    }, 5);
    response.once("close", () => {
      clearInterval(timer);
      closed.resolve();
    });
  }).listen(0, "127.0.0.1");
  await once(talkative, "listening");
  const url = `http://127.0.0.1:${(talkative.address() as AddressInfo).port}`;
  expect(await client.isUp(url, new AbortController().signal)).toBe(true);
  await closed.promise;
  expect(sent).toBeLessThan(1024 * 1024);
  talkative.close();
});

it("counts a failure when nothing listens, and keeps off private addresses in production", async () => {
  expect(await client.isUp("http://127.0.0.1:1", new AbortController().signal)).toBe(false);
  const strict = createBankHealthClient({ timeoutMs: 300, rules: "production" });
  const named = baseUrl.replace("127.0.0.1", "localhost");
  expect(await strict.isUp(named, new AbortController().signal)).toBe(false);
  expect(hits).toEqual([]);
  await strict.close();
});

it("probes a bank once when two replicas look at the same time", async () => {
  await Promise.all([round(), round(), round()]);
  expect(hits).toEqual(["/health"]);
});

it("lets another replica take over a claim whose holder died, and drops the holder's late result", async () => {
  const [lost] = await deps.probes.claim({ limit: 10, leaseMs: 60_000 });
  expect(lost?.bankId).toBe(id);
  expect(await deps.probes.claim({ limit: 10, leaseMs: 60_000 })).toEqual([]);
  await endLease();
  await round();
  expect(await healthOf()).toBe("healthy");
  const late = lost && (await deps.probes.record(lost, () => expect.unreachable()));
  expect(late).toBeUndefined();
});

it("does not count the answer of an address the bank has left meanwhile", async () => {
  const [claim] = await deps.probes.claim({ limit: 10, leaseMs: 10_000 });
  await register(`${baseUrl}/moved`);
  const result =
    claim &&
    (await deps.probes.record(claim, () => ({
      circuit: { state: "open", failures: 5 },
      health: "unhealthy",
      nextProbeInMs: 60_000,
    })));
  expect(result).toBeUndefined();
  expect(await healthOf()).toBe("unknown");
  await round();
  expect(hits).toEqual(["/moved/health"]);
});

it("lets a heartbeat bring the next probe forward, but not at once after the last", async () => {
  await round();
  expect(await deps.probes.hasten(id, 5_000)).toBe(true);
  const wait = await waitMs();
  expect(wait).toBeGreaterThan(3_000);
  expect(wait).toBeLessThanOrEqual(5_000);
  expect(await deps.probes.hasten("nobody", 5_000)).toBe(false);
});

it("leaves removed banks alone", async () => {
  await db.pool.query("update banks set status = 'inactive' where id = $1", [id]);
  await makeDue();
  await round();
  expect(hits).toEqual([]);
});
