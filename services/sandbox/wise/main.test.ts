import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { type SandboxProcess, startProcess } from "../kit/testing/start-process.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

const mainFile = fileURLToPath(new URL("./main.ts", import.meta.url));
const variables = {
  WISE_CLIENT_ID: "app-of-the-test",
  WISE_CLIENT_SECRET: "a-secret-of-the-test",
  WISE_REDIRECT_URIS: "http://127.0.0.1:9/callback",
};
let database: TestDatabase;
let running: SandboxProcess | undefined;

beforeAll(async () => {
  database = await createTestDatabase({
    schema: "sandbox_wise",
    directory: new URL("./storage/migrations/", import.meta.url),
  });
});
afterEach(() => running?.kill());
afterAll(async () => database?.drop());

async function start(change: Readonly<Record<string, string>> = {}): Promise<SandboxProcess> {
  running = await startProcess(mainFile, database.url, { ...variables, ...change });
  return running;
}

it("keeps tokens and its webhook key over a restart, and no secret in its log", async () => {
  const basic = Buffer.from(`${variables.WISE_CLIENT_ID}:${variables.WISE_CLIENT_SECRET}`).toString("base64");
  const keyOf = async (origin: string) => (await fetch(`${origin}/webhook-public-key`)).text();
  const first = await start();
  await first.healthy();
  const answer = await fetch(`${first.origin}/oauth/token`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  const { access_token } = (await answer.json()) as { access_token: string };
  const key = await keyOf(first.origin);
  first.stop();
  expect(await first.exited).toBe(0);
  const second = await start();
  await second.healthy();
  expect(await keyOf(second.origin)).toBe(key);
  const url = `${second.origin}/v3/applications/${variables.WISE_CLIENT_ID}/subscriptions`;
  expect((await fetch(url, { headers: { authorization: `Bearer ${access_token}` } })).status).toBe(200);
  second.stop();
  expect(await second.exited).toBe(0);
  expect(first.output() + second.output()).not.toContain(access_token);
});

it("names every missing variable and does not start", async () => {
  const broken = await start({ WISE_CLIENT_SECRET: "", WISE_REDIRECT_URIS: "" });
  expect(await broken.exited).toBe(2);
  expect(broken.output()).toContain("WISE_CLIENT_SECRET");
  expect(broken.output()).toContain("WISE_REDIRECT_URIS");
});
