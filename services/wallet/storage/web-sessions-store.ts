import type { Executor } from "./tables.ts";

/** A live browser session; `userId` is null while it only ties an enrolment to its browser. */
export interface WebSession {
  readonly sessionId: string;
  readonly userId: string | null;
  readonly verified: boolean;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

const columns = [
  "session_id as sessionId",
  "user_id as userId",
  "verified",
  "created_at as createdAt",
  "expires_at as expiresAt",
] as const;

/** Stores a session under the hash of its cookie. */
export async function insertWebSession(
  db: Executor,
  session: WebSession & { readonly sessionHash: Buffer },
): Promise<void> {
  await db
    .insertInto("web_sessions")
    .values({
      session_hash: session.sessionHash,
      session_id: session.sessionId,
      user_id: session.userId,
      verified: session.verified,
      created_at: session.createdAt,
      expires_at: session.expiresAt,
    })
    .execute();
}

/** The live session of a cookie, if any. */
export async function findWebSession(db: Executor, sessionHash: Buffer, now: Date): Promise<WebSession | undefined> {
  return await db
    .selectFrom("web_sessions")
    .select(columns)
    .where("session_hash", "=", sessionHash)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
}

/** The id of a session if it is this user's; tells the account's own browser from any other. */
export async function findUserSession(db: Executor, userId: string, sessionId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("web_sessions")
    .select("session_id as sessionId")
    .where("session_id", "=", sessionId)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return row?.sessionId;
}

/** Whether a session of this user still stands. */
export async function isUserSessionLive(
  db: Executor,
  by: { readonly userId: string; readonly sessionId: string; readonly now: Date },
): Promise<boolean> {
  const row = await db
    .selectFrom("web_sessions")
    .select("session_id")
    .where("session_id", "=", by.sessionId)
    .where("user_id", "=", by.userId)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", by.now)
    .executeTakeFirst();
  return row !== undefined;
}

/** Ends one session. A repeat changes nothing. */
export async function revokeWebSession(db: Executor, sessionId: string, now: Date): Promise<void> {
  await db
    .updateTable("web_sessions")
    .set({ revoked_at: now })
    .where("session_id", "=", sessionId)
    .where("revoked_at", "is", null)
    .execute();
}

/** Ends every session of a user. */
export async function revokeWebSessionsOf(db: Executor, userId: string, now: Date): Promise<void> {
  await db
    .updateTable("web_sessions")
    .set({ revoked_at: now })
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .execute();
}

/** Ends a user's unverified sessions, except the one given; returns how many ended. */
export async function revokeUnverifiedWebSessions(
  db: Executor,
  change: { readonly userId: string; readonly exceptSessionId: string | undefined; readonly now: Date },
): Promise<number> {
  let update = db
    .updateTable("web_sessions")
    .set({ revoked_at: change.now })
    .where("user_id", "=", change.userId)
    .where("revoked_at", "is", null)
    .where("verified", "=", false);
  if (change.exceptSessionId !== undefined) update = update.where("session_id", "!=", change.exceptSessionId);
  return Number((await update.executeTakeFirst()).numUpdatedRows);
}

/** Deletes up to `limit` sessions that ended before `now`; returns how many went. */
export async function deleteEndedWebSessions(db: Executor, now: Date, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("web_sessions")
    .where("session_hash", "in", (ended) =>
      ended
        .selectFrom("web_sessions")
        .select("session_hash")
        .where("expires_at", "<=", now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
