import type { Executor } from "./tables.ts";

export type RevokedReason = "signed_out" | "token_reused" | "replaced" | "unverified" | "account";

/** One sign-in on one device. */
export interface DeviceSession {
  readonly userId: string;
  readonly sessionId: string;
  readonly deviceId: string;
  readonly verified: boolean;
}

/** Stores a sign-in. */
export async function insertDeviceSession(
  db: Executor,
  session: DeviceSession & { readonly now: Date; readonly expiresAt: Date },
): Promise<void> {
  await db
    .insertInto("device_sessions")
    .values({
      user_id: session.userId,
      session_id: session.sessionId,
      device_id: session.deviceId,
      verified: session.verified,
      created_at: session.now,
      expires_at: session.expiresAt,
    })
    .execute();
}

/** Whether a sign-in still stands: what an access token is checked against. */
export async function isDeviceSessionLive(
  db: Executor,
  by: { readonly userId: string; readonly sessionId: string; readonly now: Date },
): Promise<boolean> {
  const row = await db
    .selectFrom("device_sessions")
    .select("session_id")
    .where("user_id", "=", by.userId)
    .where("session_id", "=", by.sessionId)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", by.now)
    .executeTakeFirst();
  return row !== undefined;
}

/** Ends every sign-in of a user, or of one of the user's devices; returns how many ended. */
export async function revokeDeviceSessions(
  db: Executor,
  change: {
    readonly userId: string;
    readonly deviceId: string | undefined;
    readonly reason: RevokedReason;
    readonly now: Date;
  },
): Promise<number> {
  let update = db
    .updateTable("device_sessions")
    .set({ revoked_at: change.now, revoked_reason: change.reason })
    .where("user_id", "=", change.userId)
    .where("revoked_at", "is", null);
  if (change.deviceId !== undefined) update = update.where("device_id", "=", change.deviceId);
  return Number((await update.executeTakeFirst()).numUpdatedRows);
}

/** Ends the sign-ins made without proof of the address on other devices than the one given; returns how many ended. */
export async function revokeUnverifiedDeviceSessions(
  db: Executor,
  change: { readonly userId: string; readonly exceptDeviceId: string | undefined; readonly now: Date },
): Promise<number> {
  let update = db
    .updateTable("device_sessions")
    .set({ revoked_at: change.now, revoked_reason: "unverified" })
    .where("user_id", "=", change.userId)
    .where("revoked_at", "is", null)
    .where("verified", "=", false);
  if (change.exceptDeviceId !== undefined) update = update.where("device_id", "!=", change.exceptDeviceId);
  return Number((await update.executeTakeFirst()).numUpdatedRows);
}

/** Ends the oldest sign-ins of a device beyond the newest `keep`. */
export async function revokeSurplusSessions(
  db: Executor,
  change: { readonly userId: string; readonly deviceId: string; readonly keep: number; readonly now: Date },
): Promise<void> {
  await db
    .updateTable("device_sessions")
    .set({ revoked_at: change.now, revoked_reason: "replaced" })
    .where("user_id", "=", change.userId)
    .where("session_id", "in", (surplus) =>
      surplus
        .selectFrom("device_sessions")
        .select("session_id")
        .where("user_id", "=", change.userId)
        .where("device_id", "=", change.deviceId)
        .where("revoked_at", "is", null)
        .orderBy("created_at", "desc")
        .orderBy("session_id", "desc")
        .offset(change.keep),
    )
    .execute();
}

/** Deletes up to `limit` sign-ins, with their refresh tokens, that expired before `before`; returns how many went. */
export async function deleteExpiredDeviceSessions(db: Executor, before: Date, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("device_sessions")
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("user_id", "session_id"),
        "in",
        selectFrom("device_sessions")
          .select(["user_id", "session_id"])
          .where("expires_at", "<=", before)
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .$asTuple("user_id", "session_id"),
      ),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
