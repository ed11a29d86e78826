import { afterAll, beforeAll, expect, it } from "vitest";
import type { Database } from "../../platform/db/open-database.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import {
  type AttemptState,
  attemptTransitions,
  type EnrolmentState,
  enrolmentTransitions,
} from "../domain/enrolment-rules.ts";
import {
  claimAttempt,
  endAttempt,
  expireAttempts,
  failAttemptsFromElsewhere,
  insertAttempt,
} from "./attempts-store.ts";
import { beginRemoval, finishRemoval, insertEnrolment, noteConnection } from "./enrolments-store.ts";
import type { WalletTables } from "./tables.ts";
import { insertUser } from "./users-store.ts";

let database: TestDatabase;
let db: Database<WalletTables>;
const userId = uuidv7();
const now = new Date("2026-01-01T00:00:00Z");
const expiresAt = new Date("2026-01-01T00:10:00Z");

beforeAll(async () => {
  database = await createTestDatabase({ schema: "wallet", directory: new URL("./migrations/", import.meta.url) });
  db = database.open<WalletTables>();
  await insertUser(db.query, {
    userId,
    email: { asTyped: "a@example.com", normalised: "a@example.com" },
    name: "A",
    walletId: "w",
    passwordHash: undefined,
    verified: false,
    now,
  });
});
afterAll(() => database.drop());

const attemptMoves: Readonly<Record<string, (attemptId: string) => Promise<unknown>>> = {
  claim: (attemptId) => claimAttempt(db.query, { userId, attemptId, now }),
  complete: (attemptId) => endAttempt(db.query, { userId, attemptId, failure: undefined, now }),
  fail: (attemptId) => endAttempt(db.query, { userId, attemptId, failure: "x", now }),
  expire: () => expireAttempts(db.query, expiresAt, 100),
  "end from elsewhere": () =>
    failAttemptsFromElsewhere(db.query, { userId, deviceId: "other", webSessionId: undefined, now }),
};

it("moves an attempt only as its table of states allows, and each allowed move is made by some statement", async () => {
  const made = new Set<string>();
  for (const from of Object.keys(attemptTransitions) as AttemptState[]) {
    for (const [name, move] of Object.entries(attemptMoves)) {
      const attemptId = await attemptIn(from);
      await move(attemptId);
      const to = await stateOf("enrolment_attempts", "attempt_id", attemptId);
      if (to === from) continue;
      expect(attemptTransitions[from], `${name} moved ${from} to ${to}`).toContain(to);
      made.add(`${from} ${to}`);
    }
  }
  expect([...made].sort()).toEqual(pairsOf(attemptTransitions));
});

const enrolmentMoves: Readonly<Record<string, (enrolmentId: string) => Promise<unknown>>> = {
  "see all well": (enrolmentId) =>
    noteConnection(db.query, { userId, enrolmentId, connectionId: "c", reauthReason: undefined, now }),
  "see it needs its user": (enrolmentId) =>
    noteConnection(db.query, { userId, enrolmentId, connectionId: "c", reauthReason: "revoked", now }),
  remove: (enrolmentId) => beginRemoval(db.query, { userId, enrolmentId, now }),
  confirm: (enrolmentId) => finishRemoval(db.query, { userId, enrolmentId, now }),
};

it("moves an enrolment only as its table of states allows, and each allowed move is made by some statement", async () => {
  const made = new Set<string>();
  for (const from of Object.keys(enrolmentTransitions) as EnrolmentState[]) {
    for (const [name, move] of Object.entries(enrolmentMoves)) {
      const enrolmentId = await enrolmentIn(from);
      await move(enrolmentId);
      const to = await stateOf("enrolments", "enrolment_id", enrolmentId);
      if (to === from) continue;
      expect(enrolmentTransitions[from], `${name} moved ${from} to ${to}`).toContain(to);
      made.add(`${from} ${to}`);
    }
  }
  expect([...made].sort()).toEqual(pairsOf(enrolmentTransitions));
});

it("gives an attempt to exactly one of many callbacks that arrive together, and to none after its time", async () => {
  const attemptId = await attemptIn("started");
  const claims = await Promise.all(Array.from({ length: 8 }, () => claimAttempt(db.query, { userId, attemptId, now })));
  expect(claims.filter((won) => won)).toHaveLength(1);
  const late = await attemptIn("started");
  expect(await claimAttempt(db.query, { userId, attemptId: late, now: expiresAt })).toBe(false);
});

it("leaves an enrolment alone that has another connection by now", async () => {
  const enrolmentId = await enrolmentIn("active");
  await noteConnection(db.query, { userId, enrolmentId, connectionId: "older", reauthReason: "revoked", now });
  expect(await stateOf("enrolments", "enrolment_id", enrolmentId)).toBe("active");
});

function pairsOf(table: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(table)
    .flatMap(([from, targets]) => targets.map((to) => `${from} ${to}`))
    .sort();
}

async function attemptIn(state: AttemptState): Promise<string> {
  const attemptId = uuidv7();
  await insertAttempt(db.query, {
    userId,
    attemptId,
    bsimId: "north-bank",
    via: "mobile",
    stateHash: Buffer.from(attemptId),
    deviceId: "phone",
    webSessionId: null,
    resumeUid: null,
    newAccount: false,
    pendingPasswordHash: null,
    startedAt: now,
    expiresAt,
  });
  const ended = ["completed", "expired", "failed"].includes(state) ? now : null;
  await db.query
    .updateTable("enrolment_attempts")
    .set({ state, ended_at: ended })
    .where("attempt_id", "=", attemptId)
    .execute();
  return attemptId;
}

async function enrolmentIn(state: EnrolmentState): Promise<string> {
  const enrolmentId = uuidv7();
  await insertEnrolment(db.query, {
    userId,
    enrolmentId,
    bsimId: `bank-${enrolmentId}`,
    connectionId: "c",
    fiUserRef: "f",
    credentialExpiresAt: undefined,
    reauthReason: undefined,
    deviceId: null,
    webSessionId: null,
    now,
  });
  await db.query
    .updateTable("enrolments")
    .set({
      state,
      reauth_reason: state === "reauth_required" ? "expired" : null,
      removed_at: state === "removed" ? now : null,
    })
    .where("enrolment_id", "=", enrolmentId)
    .execute();
  return enrolmentId;
}

async function stateOf(table: "enrolments" | "enrolment_attempts", column: string, id: string): Promise<string> {
  const { rows } = await db.pool.query(`select state from ${table} where ${column} = $1`, [id]);
  return rows[0].state;
}
