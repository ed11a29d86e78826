import { generateKeyPairSync, randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { type SandboxProcess, startProcess } from "../kit/testing/start-process.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

const mainFile = fileURLToPath(new URL("./main.ts", import.meta.url));
const [partnerId, secret, appKey] = ["2445580000000", "a-secret-of-the-test-1", "app-key-of-the-test"];
const headers = { "content-type": "application/json", "finicity-app-key": appKey };
let database: TestDatabase;
let running: SandboxProcess | undefined;

setUp(async () => {
  const directory = new URL("./storage/migrations/", import.meta.url);
  database = await createTestDatabase({ schema: "sandbox_mastercard", directory });
  return () => database.drop();
});
afterEach(() => running?.kill());

async function start(change: Readonly<Record<string, string>> = {}): Promise<SandboxProcess> {
  running = await startProcess(mainFile, database.url, {
    OPEN_BANKING_PARTNER_ID: partnerId,
    OPEN_BANKING_PARTNER_SECRET: secret,
    OPEN_BANKING_APP_KEY: appKey,
    ...change,
  });
  return running;
}

async function call(
  origin: string,
  method: string,
  body: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const path = "/aggregation/v2/partners/authentication";
  const answer = await fetch(origin + path, { method, headers, body: JSON.stringify({ partnerId, ...body }) });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? {} : JSON.parse(text) };
}

it("keeps a changed secret and its tokens over a restart, and neither in its log", async () => {
  const changed = "a-changed-secret-2";
  const first = await start();
  await first.healthy();
  expect((await call(first.origin, "PUT", { partnerSecret: secret, newPartnerSecret: changed })).status).toBe(204);
  const token = String((await call(first.origin, "POST", { partnerSecret: changed })).body["token"]);
  first.stop();
  expect(await first.exited).toBe(0);
  const second = await start();
  await second.healthy();
  const path = `${second.origin}/institution/v2/institutions`;
  expect((await fetch(path, { headers: { ...headers, "finicity-app-token": token } })).status).toBe(200);
  expect((await call(second.origin, "POST", { partnerSecret: secret })).status).toBe(401);
  second.stop();
  expect(await second.exited).toBe(0);
  const output = first.output() + second.output();
  for (const kept of [token, changed, secret]) expect(output).not.toContain(kept);
});

it("signs notifications by the key it is given from then on, whichever it had", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const file = path.join(tmpdir(), `paymesh-key-${randomUUID()}.pem`);
  await writeFile(file, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  const given = await start({ OPEN_BANKING_WEBHOOK_KEY_FILE: file });
  await given.healthy();
  const published = await (await fetch(`${given.origin}/webhook-key.pem`)).text();
  expect(published).toBe(publicKey.export({ format: "pem", type: "spki" }));
  await rm(file);
});

it("names every missing variable and does not start outside the local world", async () => {
  const broken = await start({ OPEN_BANKING_APP_KEY: "", PAYMESH_ENV: "production" });
  expect(await broken.exited).toBe(2);
  expect(broken.output()).toContain("OPEN_BANKING_APP_KEY");
  expect(broken.output()).toContain("only where it is local");
});
