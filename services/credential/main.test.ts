import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../platform/testing/postgres.ts";
import { ensureAuthority } from "../platform/tls/authority.ts";
import { freePort } from "./testing/real-bank.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

const mainFile = fileURLToPath(new URL("./main.ts", import.meta.url));
const encryptionKey = "encryption-key-of-the-process-tests-0123";
let database: TestDatabase;
let certificates: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  database = await createTestDatabase({
    schema: "credential",
    directory: new URL("./storage/migrations/", import.meta.url),
  });
  certificates = await mkdtemp(join(tmpdir(), "paymesh-credential-main-"));
  await ensureAuthority({ directory: certificates, services: ["credential"] });
});
afterEach(() => child?.kill("SIGKILL"));
afterAll(async () => {
  await database.drop();
  await rm(certificates, { recursive: true });
});

/** Starts the process; `output` grows with what it writes. */
async function start(change: Record<string, string | undefined> = {}) {
  const adminPort = await freePort();
  const file = (name: string) => join(certificates, name);
  const started = spawn(process.execPath, [mainFile], {
    env: {
      PATH: process.env["PATH"],
      PAYMESH_ENV: "local",
      GRPC_PORT: String(await freePort()),
      HTTP_PORT: String(await freePort()),
      ADMIN_PORT: String(adminPort),
      DATABASE_URL: database.url,
      TLS_CERT_FILE: file("credential.pem"),
      TLS_KEY_FILE: file("credential.key"),
      TLS_CA_FILE: file("ca.pem"),
      API_KEY_PEPPER: "pepper-of-the-process-tests-0123456789",
      OPERATOR_KEYS: "tester:operator-key-of-the-process-tests",
      REGISTRY_ADDRESS: `127.0.0.1:${await freePort()}`,
      CREDENTIAL_ENCRYPTION_KEY: encryptionKey,
      ...change,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = started;
  let output = "";
  started.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  started.stderr.on("data", (chunk) => {
    output += String(chunk);
  });
  return { child: started, adminPort, output: () => output };
}

async function exitOf(started: Awaited<ReturnType<typeof start>>): Promise<{ code: number | null; output: string }> {
  const [code] = (await once(started.child, "close")) as [number | null];
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
  started.child.kill("SIGTERM");
  const { code, output } = await exitOf(started);
  expect(code).toBe(0);
  expect(output).not.toContain(encryptionKey);
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
  first.child.kill("SIGTERM");
  await exitOf(first);
  const { code, output } = await exitOf(
    await start({ CREDENTIAL_ENCRYPTION_KEY: "another-key-0123456789-0123456789-01" }),
  );
  expect(code).toBe(1);
  expect(output).toContain("is not the one this installation was set up with");
});
