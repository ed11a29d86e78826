import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { type SandboxProcess, startProcess } from "../kit/testing/start-process.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

const mainFile = fileURLToPath(new URL("./main.ts", import.meta.url));
const headers = {
  "content-type": "application/json",
  "plaid-client-id": "client-of-the-test",
  "plaid-secret": "secret-of-the-test",
};
let database: TestDatabase;
let running: SandboxProcess | undefined;

beforeAll(async () => {
  const directory = new URL("./storage/migrations/", import.meta.url);
  database = await createTestDatabase({ schema: "sandbox_plaid", directory });
});
afterEach(() => running?.kill());
afterAll(async () => database?.drop());

async function start(change: Readonly<Record<string, string>> = {}): Promise<SandboxProcess> {
  const env = { PLAID_CLIENT_ID: headers["plaid-client-id"], PLAID_SECRET: headers["plaid-secret"], ...change };
  running = await startProcess(mainFile, database.url, env);
  return running;
}

const post = async (url: string, body: object) => {
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  return (await answer.json()) as Record<string, string>;
};

it("keeps items and tokens over a restart, and no token in its log", async () => {
  const first = await start();
  await first.healthy();
  const made = await post(`${first.origin}/sandbox/public_token/create`, {
    institution_id: "ins_109508",
    initial_products: ["transactions"],
  });
  const { access_token, item_id } = await post(`${first.origin}/item/public_token/exchange`, {
    public_token: made["public_token"] ?? "",
  });
  first.stop();
  expect(await first.exited).toBe(0);
  const second = await start();
  await second.healthy();
  const again = await post(`${second.origin}/item/get`, { access_token });
  expect(again["item"]).toMatchObject({ item_id });
  second.stop();
  expect(await second.exited).toBe(0);
  expect(first.output() + second.output()).not.toContain(access_token);
});

it("names every missing variable and does not start", async () => {
  const broken = await start({ PLAID_SECRET: "", SANDBOX_DATA_KEY: "short" });
  expect(await broken.exited).toBe(2);
  expect(broken.output()).toContain("PLAID_SECRET");
  expect(broken.output()).toContain("SANDBOX_DATA_KEY");
});
