import type { EmailAddress } from "../domain/email-address.ts";
import type { Executor } from "./tables.ts";

/** A person as stored. */
export interface User {
  readonly userId: string;
  readonly email: string;
  readonly emailNormalised: string;
  readonly name: string;
  readonly walletId: string;
  readonly passwordHash: string | null;
  readonly createdAt: Date;
  readonly verifiedAt: Date | null;
}

const columns = [
  "user_id as userId",
  "email",
  "email_normalised as emailNormalised",
  "name",
  "wallet_id as walletId",
  "password_hash as passwordHash",
  "created_at as createdAt",
  "verified_at as verifiedAt",
] as const;

/** What an account starts with. */
export interface NewUser {
  readonly userId: string;
  readonly email: EmailAddress;
  readonly name: string;
  readonly walletId: string;
  readonly passwordHash: string | undefined;
  readonly verified: boolean;
  readonly now: Date;
}

/** Makes an account; undefined when the address has one already, also when both arrive at once. */
export async function insertUser(db: Executor, user: NewUser): Promise<User | undefined> {
  return await db
    .insertInto("users")
    .values({
      user_id: user.userId,
      email: user.email.asTyped,
      email_normalised: user.email.normalised,
      name: user.name,
      wallet_id: user.walletId,
      password_hash: user.passwordHash ?? null,
      password_set_at: user.passwordHash === undefined ? null : user.now,
      created_at: user.now,
      verified_at: user.verified ? user.now : null,
      updated_at: user.now,
    })
    .onConflict((conflict) => conflict.column("email_normalised").doNothing())
    .returning(columns)
    .executeTakeFirst();
}

/** The person with this id, if any; closed accounts are nobody's. */
export async function findUserById(db: Executor, userId: string): Promise<User | undefined> {
  return await openUsers(db).where("user_id", "=", userId).executeTakeFirst();
}

/** The person with this address in its normal form, if any. */
export async function findUserByEmail(db: Executor, emailNormalised: string): Promise<User | undefined> {
  return await openUsers(db).where("email_normalised", "=", emailNormalised).executeTakeFirst();
}

/**
 * The person with this id, whose row nobody else changes until the transaction ends. Whatever was read of a person before,
 * such as a password that took its time to be checked, may have been overtaken by the proof of the address.
 */
export async function lockUserById(db: Executor, userId: string): Promise<User | undefined> {
  return await openUsers(db).where("user_id", "=", userId).forUpdate().executeTakeFirst();
}

function openUsers(db: Executor) {
  return db.selectFrom("users").select(columns).where("closed_at", "is", null);
}

/** Notes that the address is proved. True for exactly one caller: the first. */
export async function markUserVerified(db: Executor, userId: string, now: Date): Promise<boolean> {
  const result = await db
    .updateTable("users")
    .set({ verified_at: now, updated_at: now })
    .where("user_id", "=", userId)
    .where("verified_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Sets or, with null, takes away the password of a person whose row the transaction holds. */
export async function setUserPassword(
  db: Executor,
  change: { readonly userId: string; readonly passwordHash: string | null; readonly now: Date },
): Promise<void> {
  await db
    .updateTable("users")
    .set({
      password_hash: change.passwordHash,
      password_set_at: change.passwordHash === null ? null : change.now,
      updated_at: change.now,
    })
    .where("user_id", "=", change.userId)
    .execute();
}
