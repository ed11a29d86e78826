import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { type SandboxProcess, startProcess } from "../kit/testing/start-process.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

const mainFile = fileURLToPath(new URL("./main.ts", import.meta.url));
const apiKey = "api-key-of-the-test";
let database: TestDatabase;
let running: SandboxProcess | undefined;

beforeAll(async () => {
  const directory = new URL("./storage/migrations/", import.meta.url);
  database = await createTestDatabase({ schema: "sandbox_basiq", directory });
});
afterEach(() => running?.kill());
afterAll(async () => database?.drop());

async function start(change: Readonly<Record<string, string>> = {}): Promise<SandboxProcess> {
  const env = { BASIQ_API_KEY: apiKey, BASIQ_REDIRECT_URL: "http://127.0.0.1:65000/back", ...change };
  running = await startProcess(mainFile, database.url, env);
  return running;
}

async function answerOf(url: string, init: RequestInit): Promise<Record<string, string>> {
  return (await (await fetch(url, init)).json()) as Record<string, string>;
}

it("keeps users and tokens over a restart, and neither token nor key in its log", async () => {
  const first = await start();
  await first.healthy();
  const { access_token: token } = await answerOf(`${first.origin}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${apiKey}`, "basiq-version": "3.0" },
  });
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = JSON.stringify({ email: "someone@users.example.com" });
  const { id } = await answerOf(`${first.origin}/users`, { method: "POST", headers, body });
  first.stop();
  expect(await first.exited).toBe(0);
  const second = await start();
  await second.healthy();
  expect(await answerOf(`${second.origin}/users/${id}`, { headers })).toMatchObject({ type: "user", id });
  second.stop();
  expect(await second.exited).toBe(0);
  const output = first.output() + second.output();
  expect(output).not.toContain(token);
  expect(output).not.toContain(apiKey);
});

it("names every missing variable and does not start", async () => {
  const broken = await start({ BASIQ_API_KEY: "", BASIQ_REDIRECT_URL: "" });
  expect(await broken.exited).toBe(2);
  expect(broken.output()).toContain("BASIQ_API_KEY");
  expect(broken.output()).toContain("BASIQ_REDIRECT_URL");
});
