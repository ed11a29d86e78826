import { sql } from "kysely";
import type { Executor } from "./tables.ts";

/** A refresh token's row together with its sign-in. */
export interface StoredRefreshToken {
  readonly sessionId: string;
  readonly deviceId: string;
  readonly state: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly rotatedAt: Date | null;
  readonly replacedBy: string | null;
  readonly answeredAt: Date | null;
  readonly sessionRevoked: boolean;
}

export interface NewRefreshToken {
  readonly userId: string;
  readonly jti: string;
  readonly sessionId: string;
  readonly now: Date;
  readonly expiresAt: Date;
}

/** Stores a token as unused. */
export async function insertRefreshToken(db: Executor, token: NewRefreshToken): Promise<void> {
  await db
    .insertInto("refresh_tokens")
    .values({
      user_id: token.userId,
      jti: token.jti,
      session_id: token.sessionId,
      state: "active",
      issued_at: token.now,
      expires_at: token.expiresAt,
    })
    .execute();
}

/** A token and its sign-in, whatever their state; undefined for one never issued or long gone. */
export async function findRefreshToken(
  db: Executor,
  by: { readonly userId: string; readonly jti: string },
): Promise<StoredRefreshToken | undefined> {
  return await db
    .selectFrom("refresh_tokens as token")
    .innerJoin("device_sessions as session", (join) =>
      join.onRef("session.user_id", "=", "token.user_id").onRef("session.session_id", "=", "token.session_id"),
    )
    .select([
      "token.session_id as sessionId",
      "session.device_id as deviceId",
      "token.state",
      "token.issued_at as issuedAt",
      "token.expires_at as expiresAt",
      "token.rotated_at as rotatedAt",
      "token.replaced_by as replacedBy",
      "token.answered_at as answeredAt",
      sql<boolean>`session.revoked_at is not null`.as("sessionRevoked"),
    ])
    .where("token.user_id", "=", by.userId)
    .where("token.jti", "=", by.jti)
    .executeTakeFirst();
}

/** Uses a token up in favour of its successor. True for exactly one caller. */
export async function rotateRefreshToken(
  db: Executor,
  change: { readonly userId: string; readonly jti: string; readonly replacedBy: string; readonly now: Date },
): Promise<boolean> {
  const result = await db
    .updateTable("refresh_tokens")
    .set({ state: "rotated", rotated_at: change.now, replaced_by: change.replacedBy })
    .where("user_id", "=", change.userId)
    .where("jti", "=", change.jti)
    .where("state", "=", "active")
    .where("expires_at", ">", change.now)
    .where((where) =>
      where.exists(
        where
          .selectFrom("device_sessions")
          .select("device_sessions.session_id")
          .whereRef("device_sessions.user_id", "=", "refresh_tokens.user_id")
          .whereRef("device_sessions.session_id", "=", "refresh_tokens.session_id")
          .where("device_sessions.revoked_at", "is", null),
      ),
    )
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Notes that the answer with the successor was handed over: from now on the token's return is misuse. */
export async function markRefreshAnswered(
  db: Executor,
  by: { readonly userId: string; readonly jti: string; readonly now: Date },
): Promise<void> {
  await db
    .updateTable("refresh_tokens")
    .set({ answered_at: by.now })
    .where("user_id", "=", by.userId)
    .where("jti", "=", by.jti)
    .where("answered_at", "is", null)
    .execute();
}

/** Moves the end of a sign-in forward as its tokens are renewed. */
export async function extendDeviceSession(
  db: Executor,
  by: { readonly userId: string; readonly sessionId: string; readonly expiresAt: Date },
): Promise<void> {
  await db
    .updateTable("device_sessions")
    .set({ expires_at: by.expiresAt })
    .where("user_id", "=", by.userId)
    .where("session_id", "=", by.sessionId)
    .execute();
}

/**
 * Notes a bad refresh under every subject (hash of token, device, address) and tells whether any of them had one already
 * that has not lapsed.
 */
export async function noteBadRefresh(
  db: Executor,
  subjects: ReadonlyArray<{ readonly subjectHash: Buffer; readonly until: Date }>,
  now: Date,
): Promise<boolean> {
  let repeated = false;
  // One order for everyone, so that two storms never wait for each other.
  const ordered = [...subjects].sort((left, right) => Buffer.compare(left.subjectHash, right.subjectHash));
  for (const subject of ordered) {
    const { rows } = await sql<{ seen: boolean }>`
      with earlier as (select until from refused_refreshes where subject_hash = ${subject.subjectHash})
      insert into refused_refreshes (subject_hash, until) values (${subject.subjectHash}, ${subject.until})
      on conflict (subject_hash) do update set until = excluded.until
      returning coalesce((select until > ${now} from earlier), xmax <> 0) as seen`.execute(db);
    repeated ||= rows[0]?.seen ?? false;
  }
  return repeated;
}

/** Deletes up to `limit` notes of bad refreshes that have lapsed; returns how many went. */
export async function deleteLapsedRefusals(db: Executor, now: Date, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("refused_refreshes")
    .where("subject_hash", "in", (lapsed) =>
      lapsed
        .selectFrom("refused_refreshes")
        .select("subject_hash")
        .where("until", "<=", now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
