import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { ensureAuthority } from "../../platform/tls/authority.ts";
import {
  bankEvent as bank,
  snapshotComplete as complete,
  startWatchedRegistry,
  tlsIn,
  type WatchEvent,
} from "../testing/watched-registry.ts";
import { type WatchedBankDirectory, watchBanks } from "./bank-directory.ts";

const log = createLogger({ service: "test", level: "silent" });
let certificates: string;
let registry: Awaited<ReturnType<typeof startWatchedRegistry>> | undefined;
let directory: WatchedBankDirectory | undefined;
let port = 0;

beforeEach(async () => {
  certificates = await mkdtemp(join(tmpdir(), "paymesh-directory-test-"));
  await ensureAuthority({ directory: certificates, services: ["registry", "credential"] });
});
afterEach(async () => {
  await directory?.stop();
  await stopRegistry();
  await rm(certificates, { recursive: true });
});

async function startRegistry(events: readonly WatchEvent[], onPort = 0): Promise<void> {
  registry = await startWatchedRegistry({ certificates, events, port: onPort });
  port = registry.port;
}

async function stopRegistry(): Promise<void> {
  await registry?.stop();
}

async function watch(): Promise<WatchedBankDirectory> {
  const tls = await tlsIn(certificates, "credential");
  directory = watchBanks({ address: `127.0.0.1:${port}`, tls, log });
  return directory;
}

it("knows the banks of a snapshot and says before it that it cannot tell", async () => {
  await startRegistry([bank("a"), bank("b", { apiBaseUrl: "https://api", openBankingUrl: "https://ob" }), complete]);
  const banks = await watch();
  expect(() => banks.find("a")).toThrow("PROVIDER_UNAVAILABLE");
  await vi.waitFor(() => expect(banks.isReady()).toBe(true), { timeout: 10_000 });
  expect(banks.find("a")).toMatchObject({ bankId: "a", issuer: "https://a", apiUrl: undefined });
  expect(banks.find("b")).toMatchObject({ apiUrl: "https://api", openBankingUrl: "https://ob" });
  expect(banks.find("c")).toBeUndefined();
});

const merchant = (merchantId: string, status: string, key: number): WatchEvent => ({
  case: "merchant",
  value: { merchantId, name: merchantId, status, keys: [{ keyId: "k", hash: Buffer.alloc(32, key) }] },
});

it("knows merchants by their keys once the snapshot is whole, and forgets a key that is no longer theirs", async () => {
  await startRegistry([
    merchant("m-1", "active", 1),
    merchant("m-2", "suspended", 2),
    merchant("m-3", "active", 3),
    complete,
    merchant("m-3", "active", 4),
  ]);
  const directory = await watch();
  const keyOf = (key: number) => directory.merchantKey(Buffer.alloc(32, key).toString("hex"));
  expect(keyOf(1)).toBeUndefined();
  await vi.waitFor(() => expect(keyOf(4)?.merchantId).toBe("m-3"), { timeout: 10_000 });
  expect([keyOf(1), keyOf(2), keyOf(3)]).toEqual([{ merchantId: "m-1", keyId: "k" }, undefined, undefined]);
});

it("follows changes after the snapshot", async () => {
  await startRegistry([bank("a"), complete, bank("a", { status: "maintenance" })]);
  const banks = await watch();
  await vi.waitFor(() => expect(banks.isReady() && banks.find("a")?.status).toBe("maintenance"), { timeout: 10_000 });
});

it("keeps the last good state while the Registry is dead, and drops what the next snapshot does not name", async () => {
  await startRegistry([bank("a"), bank("b"), complete]);
  const banks = await watch();
  await vi.waitFor(() => expect(banks.isReady()).toBe(true), { timeout: 10_000 });
  await stopRegistry();
  expect(banks.find("a")).toBeDefined();
  expect(banks.find("b")).toBeDefined();
  await startRegistry([bank("a"), complete], port);
  await vi.waitFor(() => expect(banks.find("b")).toBeUndefined(), { timeout: 15_000 });
  expect(banks.find("a")).toBeDefined();
}, 40_000);
