import { sql } from "kysely";
import type { Executor } from "./tables.ts";

/** An account that is closed and still has secrets elsewhere. */
export interface AccountErasure {
  readonly userId: string;
  readonly closedAt: Date;
  /** This one counted. */
  readonly tries: number;
}

/**
 * Closes an account whose row the transaction holds: from here on nobody finds it, its address is free, and its banks and cards are
 * nobody's. The erasure is due at `nextTryAt`.
 */
export async function closeUser(
  tx: Executor,
  account: { readonly userId: string; readonly now: Date; readonly nextTryAt: Date },
): Promise<void> {
  const { userId, now, nextTryAt } = account;
  await tx
    .updateTable("users")
    .set({
      email: "",
      email_normalised: `closed ${userId}`,
      name: "",
      password_hash: null,
      password_set_at: null,
      closed_at: now,
      updated_at: now,
    })
    .where("user_id", "=", userId)
    .execute();
  await tx.insertInto("account_erasures").values({ user_id: userId, closed_at: now, next_try_at: nextTryAt }).execute();
  await tx.deleteFrom("owner_notices").where("user_id", "=", userId).execute();
  await tx.deleteFrom("enrolment_attempts").where("user_id", "=", userId).execute();
  await tx.deleteFrom("user_devices").where("user_id", "=", userId).execute();
}

/** Claims up to `limit` due erasures; they stay away from other replicas until `leaseUntil`. */
export async function claimAccountErasures(
  db: Executor,
  claim: { readonly now: Date; readonly leaseUntil: Date; readonly limit: number },
): Promise<AccountErasure[]> {
  const { rows } = await sql<AccountErasure>`update account_erasures
      set next_try_at = ${claim.leaseUntil}, tries = tries + 1
    where user_id in (
      select user_id from account_erasures
       where next_try_at <= ${claim.now} order by next_try_at limit ${claim.limit} for update skip locked)
    returning user_id as "userId", closed_at as "closedAt", tries`.execute(db);
  return rows;
}

/** Sets when an erasure is tried next. */
export async function postponeErasure(db: Executor, userId: string, nextTryAt: Date): Promise<void> {
  await db.updateTable("account_erasures").set({ next_try_at: nextTryAt }).where("user_id", "=", userId).execute();
}

/** What is the person's own, each before what it refers to. The provider's tables lie in the same schema. */
const tablesOfPerson = [
  "card_token_revocations",
  "oidc_access_tokens",
  "oidc_payments",
  "cards",
  "enrolments",
  "enrolment_attempts",
  "refresh_tokens",
  "device_sessions",
  "user_devices",
  "web_sessions",
  "owner_notices",
  "account_erasures",
  "users",
] as const;

/** Removes every row of a closed account, in the caller's transaction. A repeat finds nothing. */
export async function deleteClosedUser(tx: Executor, userId: string): Promise<void> {
  // Whoever still works for this person, such as a consent coming back, waits here and finds nobody afterwards.
  const closed = await sql`select 1 from users where user_id = ${userId} and closed_at is not null for update`.execute(
    tx,
  );
  if (closed.rows.length === 0) return;
  for (const table of tablesOfPerson) await sql`delete from ${sql.table(table)} where user_id = ${userId}`.execute(tx);
}
