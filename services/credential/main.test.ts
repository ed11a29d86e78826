import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../platform/testing/postgres.ts";
import { ensureAuthority } from "../platform/tls/authority.ts";
import { freePort } from "./testing/real-bank.ts";
import { processEncryptionKey, type ServiceProcess, startServiceProcess } from "./testing/service-process.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

let database: TestDatabase;
let certificates: string;
let running: ServiceProcess | undefined;

beforeAll(async () => {
  database = await createTestDatabase({
    schema: "credential",
    directory: new URL("./storage/migrations/", import.meta.url),
  });
  certificates = await mkdtemp(join(tmpdir(), "paymesh-credential-main-"));
  await ensureAuthority({ directory: certificates, services: ["credential"] });
});
afterEach(() => running?.signal("SIGKILL"));
afterAll(async () => {
  await database.drop();
  await rm(certificates, { recursive: true });
});

/** Starts the process. */
async function start(env: Record<string, string | undefined> = {}): Promise<ServiceProcess> {
  const REGISTRY_ADDRESS = `127.0.0.1:${await freePort()}`;
  running = await startServiceProcess({ databaseUrl: database.url, certificates, env: { REGISTRY_ADDRESS, ...env } });
  return running;
}

async function exitOf(started: ServiceProcess): Promise<{ code: number | null; output: string }> {
  const code = await started.exited;
  return { code, output: started.output() };
}

it("says that storage is ready, lives without a Registry, and stops cleanly", async () => {
  const started = await start();
  await vi.waitFor(() => expect(started.output()).toContain("Secure Credential Storage ready"), { timeout: 30_000 });
  const live = async () => (await request(`http://127.0.0.1:${started.adminPort}/health/live`)).statusCode;
  await vi.waitFor(async () => expect(await live()).toBe(200), { timeout: 30_000 });
  const ready = await request(`http://127.0.0.1:${started.adminPort}/health/ready`);
  expect(ready.statusCode).toBe(503);
  expect(await ready.body.text()).toContain("registry");
  started.signal("SIGTERM");
  const { code, output } = await exitOf(started);
  expect(code).toBe(0);
  expect(output).not.toContain(processEncryptionKey);
});

it("refuses to start without an encryption key, and with a short one", async () => {
  for (const CREDENTIAL_ENCRYPTION_KEY of [undefined, "x".repeat(31)]) {
    const { code, output } = await exitOf(await start({ CREDENTIAL_ENCRYPTION_KEY }));
    expect(code).toBe(2);
    expect(output).toContain("Encryption key required");
  }
});

it("refuses to start with a key that is not this installation's", async () => {
  const first = await start();
  await vi.waitFor(() => expect(first.output()).toContain("Secure Credential Storage ready"), { timeout: 30_000 });
  first.signal("SIGTERM");
  await exitOf(first);
  const { code, output } = await exitOf(
    await start({ CREDENTIAL_ENCRYPTION_KEY: "another-key-0123456789-0123456789-01" }),
  );
  expect(code).toBe(1);
  expect(output).toContain("is not the one this installation was set up with");
});
