import { sql } from "kysely";
import type { Executor } from "./tables.ts";

export type EnrolmentVia = "mobile" | "web" | "oidc";

/** One walk to a bank's consent page and back. */
export interface EnrolmentAttempt {
  readonly userId: string;
  readonly attemptId: string;
  readonly bsimId: string;
  readonly state: string;
  readonly via: string;
  readonly deviceId: string | null;
  readonly webSessionId: string | null;
  readonly resumeUid: string | null;
  readonly newAccount: boolean;
  readonly pendingPasswordHash: string | null;
  readonly startedAt: Date;
  readonly expiresAt: Date;
}

const columns = [
  "user_id as userId",
  "attempt_id as attemptId",
  "bsim_id as bsimId",
  "state",
  "via",
  "device_id as deviceId",
  "web_session_id as webSessionId",
  "resume_uid as resumeUid",
  "new_account as newAccount",
  "pending_password_hash as pendingPasswordHash",
  "started_at as startedAt",
  "expires_at as expiresAt",
] as const;

/** Stores an attempt as started. */
export async function insertAttempt(
  db: Executor,
  attempt: Omit<EnrolmentAttempt, "state"> & { readonly stateHash: Buffer },
): Promise<void> {
  await db
    .insertInto("enrolment_attempts")
    .values({
      user_id: attempt.userId,
      attempt_id: attempt.attemptId,
      bsim_id: attempt.bsimId,
      state: "started",
      via: attempt.via,
      state_hash: attempt.stateHash,
      device_id: attempt.deviceId,
      web_session_id: attempt.webSessionId,
      resume_uid: attempt.resumeUid,
      new_account: attempt.newAccount,
      pending_password_hash: attempt.pendingPasswordHash,
      started_at: attempt.startedAt,
      expires_at: attempt.expiresAt,
    })
    .execute();
}

/** The attempt an OAuth state belongs to, whatever became of it. */
export async function findAttemptByState(db: Executor, stateHash: Buffer): Promise<EnrolmentAttempt | undefined> {
  return await db
    .selectFrom("enrolment_attempts")
    .select(columns)
    .where("state_hash", "=", stateHash)
    .executeTakeFirst();
}

/** `started` to `exchanging`, before it expires. True for exactly one of any number of callbacks. */
export async function claimAttempt(
  db: Executor,
  by: { readonly userId: string; readonly attemptId: string; readonly now: Date },
): Promise<boolean> {
  const result = await db
    .updateTable("enrolment_attempts")
    .set({ state: "exchanging", exchanging_at: by.now })
    .where("user_id", "=", by.userId)
    .where("attempt_id", "=", by.attemptId)
    .where("state", "=", "started")
    .where("expires_at", ">", by.now)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Holds an attempt that is exchanging until the transaction ends; false when it is in another state by now. */
export async function lockExchangingAttempt(
  db: Executor,
  by: { readonly userId: string; readonly attemptId: string },
): Promise<boolean> {
  const row = await db
    .selectFrom("enrolment_attempts")
    .select("attempt_id")
    .where("user_id", "=", by.userId)
    .where("attempt_id", "=", by.attemptId)
    .where("state", "=", "exchanging")
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** `exchanging` to `completed`, or to `failed` with a reason. True for exactly one caller. */
export async function endAttempt(
  db: Executor,
  by: {
    readonly userId: string;
    readonly attemptId: string;
    readonly failure: string | undefined;
    readonly now: Date;
  },
): Promise<boolean> {
  const result = await db
    .updateTable("enrolment_attempts")
    .set({
      state: by.failure === undefined ? "completed" : "failed",
      failure: by.failure ?? null,
      ended_at: by.now,
      pending_password_hash: null,
    })
    .where("user_id", "=", by.userId)
    .where("attempt_id", "=", by.attemptId)
    .where("state", "=", "exchanging")
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Ends the user's attempts under way that were begun neither on this device nor in this browser session. */
export async function failAttemptsFromElsewhere(
  db: Executor,
  by: {
    readonly userId: string;
    readonly deviceId: string | undefined;
    readonly webSessionId: string | undefined;
    readonly now: Date;
  },
): Promise<void> {
  await db
    .updateTable("enrolment_attempts")
    .set({ state: "failed", failure: "unverified", ended_at: by.now, pending_password_hash: null })
    .where("user_id", "=", by.userId)
    .where("state", "in", ["started", "exchanging"])
    .where(sql<boolean>`(device_id is null or device_id is distinct from ${by.deviceId ?? null})`)
    .where(sql<boolean>`(web_session_id is null or web_session_id is distinct from ${by.webSessionId ?? null}::uuid)`)
    .execute();
}

/** `started` to `expired` for up to `limit` attempts whose time is over; returns how many. */
export async function expireAttempts(db: Executor, now: Date, limit: number): Promise<number> {
  const result = await db
    .updateTable("enrolment_attempts")
    .set({ state: "expired", ended_at: now, pending_password_hash: null })
    .where("attempt_id", "in", (due) =>
      due
        .selectFrom("enrolment_attempts")
        .select("attempt_id")
        .where("state", "=", "started")
        .where("expires_at", "<=", now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .where("state", "=", "started")
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

/**
 * Takes up to `limit` attempts that have been exchanging since before `before`: whoever worked on them died. Taking one
 * moves its time to `now`, so other replicas leave it alone for as long again.
 */
export async function takeStuckAttempts(
  db: Executor,
  by: { readonly before: Date; readonly now: Date; readonly limit: number },
): Promise<EnrolmentAttempt[]> {
  return await db
    .updateTable("enrolment_attempts")
    .set({ exchanging_at: by.now })
    .where("attempt_id", "in", (stuck) =>
      stuck
        .selectFrom("enrolment_attempts")
        .select("attempt_id")
        .where("state", "=", "exchanging")
        .where("exchanging_at", "<=", by.before)
        .orderBy("exchanging_at")
        .limit(by.limit)
        .forUpdate()
        .skipLocked(),
    )
    .where("state", "=", "exchanging")
    .returning(columns)
    .execute();
}

/** Deletes up to `limit` attempts that ended before `before`; returns how many went. Their states are unknown from then on. */
export async function deleteEndedAttempts(db: Executor, before: Date, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("enrolment_attempts")
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("user_id", "attempt_id"),
        "in",
        selectFrom("enrolment_attempts")
          .select(["user_id", "attempt_id"])
          .where("ended_at", "<=", before)
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .$asTuple("user_id", "attempt_id"),
      ),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
