import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { secretsByVersion } from "../../platform/testing/memory-vault-store.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { connectTo } from "../webhooks/testing/webhook-world.ts";
import { consumeAttempt, insertAttempt } from "./attempt-store.ts";
import { verifyAudit } from "./audit-verify.ts";
import { insertClient } from "./client-store.ts";
import { insertEmail } from "./connect-email-store.ts";
import { openStorage } from "./open-storage.ts";
import { insertRevocation } from "./queue-revocation.ts";
import { journalAnswers } from "./refresh-journal.ts";
import type { Storage } from "./storage.ts";
import type { Tables } from "./tables.ts";

const tables = ["revocations", "connect_attempts", "refresh_journal", "connect_emails"] as const;
let database: TestDatabase;
let storage: Storage;

beforeAll(async () => {
  database = await createTestDatabase({ schema: "credential", directory: new URL("./migrations/", import.meta.url) });
  const masterKeys = secretsByVersion({ 1: "encryption-key-of-the-tests-0123456789" });
  const log = { info: () => undefined, warn: () => undefined };
  storage = await openStorage({ db: database.open<Tables>(), masterKeys, log });
});
afterAll(() => database.drop());
afterEach(async () => {
  for (const table of tables) await storage.db.query.deleteFrom(table).execute();
});

const found = async () => (await verifyAudit(storage)).problems;

/** Two of everything that is sealed for a while, all under one person's data key. */
async function fill(userId: string): Promise<void> {
  const owner = { tenant: "wallet", userId };
  const now = new Date();
  const later = new Date(now.getTime() + 60_000);
  const provider = { connector: "bsim", institutionId: "test-bank" };
  const connection = await connectTo({ storage, clock: systemClock }, { connector: "bsim", reference: userId, userId });
  const client = { owner, connector: "mastercard" };
  const customer = { customerId: userId, customerType: "testing", createdAt: now } as const;
  await insertClient(storage.db.query, { ...client, ...customer });
  for (const count of [1, 2]) {
    const text = `secret ${count}`;
    const consent = { owner, ...provider, attemptId: randomUUID(), redirectUri: "https://here.example", proofs: text };
    const state = randomUUID();
    const ids = { revocationId: randomUUID(), connectionId: connection.connectionId };
    const times = { now, dueAt: now, giveUpAt: later };
    const revocation = { owner, ...provider, ...ids, ...times, cause: "orphaned", secrets: { proofs: text } } as const;
    await inTransaction(storage.db, async (tx) => {
      await insertAttempt(storage, tx, { ...consent, state, createdAt: now, expiresAt: later });
      await consumeAttempt(storage, tx, { owner, state, code: text, now });
      await insertRevocation(storage, tx, revocation);
      const flight = { ...connection, refreshEpoch: BigInt(count) };
      await journalAnswers(storage, tx, [{ flight, text, now }]);
    });
    await insertEmail(storage, client, { to: `${count}@mail.example` }, now);
  }
}

it.each([
  ["a revocation", "revocations", "revocation_id", "sealed_secrets", "revocation"],
  ["the proofs of a consent", "connect_attempts", "attempt_id", "sealed_proofs", "attempt_proofs"],
  ["the code of a consent", "connect_attempts", "attempt_id", "sealed_code", "attempt_code"],
  ["an answer to a refresh", "refresh_journal", "epoch", "sealed_answer", "refresh_answer"],
  ["the address of an e-mail", "connect_emails", "email_id", "sealed_details", "connect_email"],
] as const)(
  "finds %s that was altered, truncated, swapped or replayed from another place",
  async (_title, table, key, column, purpose) => {
    const userId = randomUUID();
    await fill(userId);
    expect(await found()).toEqual([]);
    const { rows } = await sql<{ id: string; sealed: Buffer; connection_id?: string }>`
    select *, ${sql.ref(key)} as id, ${sql.ref(column)} as sealed from ${sql.table(table)}
    where user_id = ${userId} order by ${sql.ref(key)}`.execute(storage.db.query);
    const [one, other] = rows;
    if (one === undefined || other === undefined) throw new Error("there are not two of them");
    const put = (row: typeof one, sealed: Uint8Array) =>
      sql`update ${sql.table(table)} set ${sql.ref(column)} = ${Buffer.from(sealed)}
      where user_id = ${userId} and ${sql.ref(key)} = ${row.id}`.execute(storage.db.query);
    const flipped = Buffer.from(one.sealed);
    flipped[60] = (flipped[60] ?? 0) ^ 1;
    const named = (row: typeof one) => ({
      kind: "secret_rejected",
      tenant: "wallet",
      chain: -1,
      where: table === "refresh_journal" ? `${row.connection_id}/${row.id}/${purpose}` : `${row.id}/${purpose}`,
    });
    for (const changed of [flipped, one.sealed.subarray(0, -1), other.sealed]) {
      await put(one, changed);
      expect(await found()).toEqual([named(one)]);
    }
    await put(other, one.sealed);
    const both = await found();
    expect(both).toHaveLength(2);
    expect(both).toEqual(expect.arrayContaining([named(one), named(other)]));
    await put(one, one.sealed);
    await put(other, other.sealed);
    expect(await found()).toEqual([]);
  },
);

it("finds secrets whose owner's keys were destroyed, put back as whole rows", async () => {
  const userId = randomUUID();
  await fill(userId);
  const { rows } = await sql<
    Record<string, unknown>
  >`delete from data_keys where user_id = ${userId} returning 1`.execute(storage.db.query);
  expect(rows).toHaveLength(1);
  const problems = await found();
  expect([problems.length, new Set(problems.map(({ kind }) => kind))]).toEqual([10, new Set(["secret_rejected"])]);
});

it("looks at no further secret after the thousandth that is wrong, and says that there may be more", async () => {
  await fill(randomUUID());
  await sql`insert into revocations
    select (jsonb_populate_record(revocations, jsonb_build_object('revocation_id', gen_random_uuid()))).*
    from revocations, generate_series(1, 510)`.execute(storage.db.query);
  let looked = 0;
  const failureOf: Storage["vault"]["failureOf"] = (...asked) => {
    looked += 1;
    return storage.vault.failureOf(...asked);
  };
  const { problems, isCutShort } = await verifyAudit({ ...storage, vault: { ...storage.vault, failureOf } });
  expect([problems.length, isCutShort]).toEqual([1_000, true]);
  // Two of each kind are where they belong.
  expect(looked).toBeLessThanOrEqual(1_002);
  await storage.db.query.deleteFrom("revocations").execute();
  expect(await verifyAudit(storage)).toMatchObject({ problems: [], isCutShort: false });
});
