import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { jobActor } from "../domain/audit.ts";
import { masterKeysOf } from "../master-keys.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { openStorage } from "../storage/open-storage.ts";
import type { Tables } from "../storage/tables.ts";
import { runCommand } from "../testing/run-command.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

const settings = { PAYMESH_ENV: "local", CREDENTIAL_ENCRYPTION_KEY: "the-master-key-of-this-test-0123456789" } as const;
let database: TestDatabase;
let directory: string;

beforeAll(async () => {
  const migrations = new URL("../storage/migrations/", import.meta.url);
  database = await createTestDatabase({ schema: "credential", directory: migrations });
  directory = await mkdtemp(join(tmpdir(), "paymesh-audit-"));
  const log = { info: () => undefined, warn: () => undefined };
  const db = database.open<Tables>();
  const storage = await openStorage({ db, masterKeys: masterKeysOf(settings), log });
  for (const [tenant, day] of [
    ["wallet", 1],
    ["wallet", 2],
    ["firm", 2],
    ["firm", 3],
  ] as const) {
    const subject = {
      owner: { tenant, userId: "anna" },
      actor: jobActor("test"),
      now: new Date(`2026-01-0${day}T12:00:00Z`),
    };
    const act = {
      action: "sync",
      outcome: "ok",
      connector: "",
      institutionId: "bank",
      durationMs: 1,
      details: { pages: day },
    } as const;
    await inTransaction(db, (tx) => appendAudit(storage, tx, subject, [act]));
  }
});
afterAll(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

async function audit(...args: string[]): Promise<{ code: number | null; lines: string[] }> {
  const { code, output } = await runCommand(["audit", ...args], { ...settings, DATABASE_URL: database.url }).exit;
  return { code, lines: output.trim().split("\n") };
}

it("exports entries as JSON lines, of a tenant and a time", async () => {
  const all = await audit("export");
  expect(all.code).toBe(0);
  expect(all.lines).toHaveLength(4);
  expect(JSON.parse(all.lines[0] ?? "")).toEqual({
    tenant: "firm",
    chain: expect.any(Number),
    sequence: "1",
    at: "2026-01-02T12:00:00.000Z",
    action: "sync",
    outcome: "ok",
    actor: "job:test",
    clientAddress: "",
    userAgent: "",
    ownerHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    institutionId: "bank",
    durationMs: 1,
    details: { pages: 2 },
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  const range = ["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-03T00:00:00Z"];
  expect((await audit("export", ...range)).lines).toHaveLength(2);
  expect((await audit("export", "--tenant", "wallet", ...range)).lines).toHaveLength(1);
  expect(await audit("export", "--from", "yesterday")).toMatchObject({ code: 2 });
});

it("verifies by one command, also against signed heads that were kept elsewhere, and tells by its exit code", async () => {
  expect(await audit("verify")).toEqual({ code: 0, lines: ["4 entries checked, 0 problems"] });
  const heads = await audit("heads");
  expect(JSON.parse(heads.lines[0] ?? "")).toMatchObject({ publicKey: { kty: "OKP", crv: "Ed25519" } });
  expect(heads.lines).toHaveLength(2);
  const file = join(directory, "heads.jsonl");
  const banner = [
    "",
    "> paymesh@0.1.0 audit",
    "> node deploy/local/bootstrap.mjs deploy/local/operate.ts audit heads",
    "",
  ];
  await writeFile(file, [...banner, ...heads.lines].join("\n"));
  expect(await audit("verify", "--heads", file)).toMatchObject({ code: 0 });
  const admin = await database.openAdmin();
  await admin.query(`delete from credential.audit_signed_heads; delete from credential.audit_signed_chains;
    delete from credential.audit_entries where tenant = 'firm'; delete from credential.audit_chains where tenant = 'firm'`);
  expect(await audit("verify")).toMatchObject({ code: 0 });
  const cut = await audit("verify", "--heads", file);
  expect(cut).toMatchObject({
    code: 1,
    lines: [expect.stringMatching(/^chain_cut: firm/), expect.stringContaining("1 problems")],
  });
  await writeFile(file, heads.lines.join("\n").replace("firm", "form"));
  expect((await audit("verify", "--heads", file)).lines[0]).toMatch(/^head_altered/);
  await writeFile(file, "nonsense");
  expect(await audit("verify", "--heads", file)).toMatchObject({ code: 2 });
});
