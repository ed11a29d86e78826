import { sql } from "kysely";
import type { Executor } from "./tables.ts";

/** Wrong or right, a code may be tried this often; the last try spends the challenge. */
export const codeTriesMax = 5;

/** What a web sign-up will make of the account once the code is used. */
export interface PendingSignUp {
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string | undefined;
}

export interface NewChallenge {
  readonly challengeHash: Buffer;
  readonly emailNormalised: string;
  readonly purpose: "mobile" | "web";
  readonly deviceId: string | undefined;
  readonly codeHash: Buffer;
  readonly pending: PendingSignUp | undefined;
  readonly now: Date;
  readonly expiresAt: Date;
}

/** Stores a challenge. */
export async function insertChallenge(db: Executor, challenge: NewChallenge): Promise<void> {
  await db
    .insertInto("sign_in_challenges")
    .values({
      challenge_hash: challenge.challengeHash,
      email_normalised: challenge.emailNormalised,
      purpose: challenge.purpose,
      device_id: challenge.deviceId ?? null,
      code_hash: challenge.codeHash,
      created_at: challenge.now,
      expires_at: challenge.expiresAt,
      pending_email: challenge.pending?.email ?? null,
      pending_name: challenge.pending?.name ?? null,
      pending_password_hash: challenge.pending?.passwordHash ?? null,
    })
    .execute();
}

/** The newest open challenge of an address on a device, by its hash. */
export async function findOpenChallenge(
  db: Executor,
  by: { readonly emailNormalised: string; readonly deviceId: string; readonly now: Date },
): Promise<Buffer | undefined> {
  const row = await db
    .selectFrom("sign_in_challenges")
    .select("challenge_hash as challengeHash")
    .where("email_normalised", "=", by.emailNormalised)
    .where("device_id", "=", by.deviceId)
    .where("purpose", "=", "mobile")
    .where("spent_at", "is", null)
    .where("expires_at", ">", by.now)
    .orderBy("created_at", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.challengeHash;
}

/** A challenge at the moment of a try. */
export interface TriedChallenge {
  readonly emailNormalised: string;
  readonly deviceId: string | null;
  readonly codeHash: Buffer;
  /** Including this one. */
  readonly tries: number;
  readonly pending: PendingSignUp | undefined;
}

/**
 * Counts a try before the code is compared, so that parallel guesses cannot exceed the limit. Undefined when the challenge
 * is unknown, expired, of the other purpose, spent, or out of tries.
 */
export async function takeChallengeTry(
  db: Executor,
  by: { readonly challengeHash: Buffer; readonly purpose: "mobile" | "web"; readonly now: Date },
): Promise<TriedChallenge | undefined> {
  const row = await db
    .updateTable("sign_in_challenges")
    .set({ tries: sql<number>`tries + 1` })
    .where("challenge_hash", "=", by.challengeHash)
    .where("purpose", "=", by.purpose)
    .where("spent_at", "is", null)
    .where("expires_at", ">", by.now)
    .where("tries", "<", codeTriesMax)
    .returning([
      "email_normalised as emailNormalised",
      "device_id as deviceId",
      "code_hash as codeHash",
      "tries",
      "pending_email",
      "pending_name",
      "pending_password_hash",
    ])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { emailNormalised, deviceId, codeHash, tries } = row;
  const pending =
    row.pending_email === null || row.pending_name === null
      ? undefined
      : { email: row.pending_email, name: row.pending_name, passwordHash: row.pending_password_hash ?? undefined };
  return { emailNormalised, deviceId, codeHash, tries, pending };
}

/** Whether a challenge ended by too many tries: its owner is told so, and not that the code was wrong. */
export async function isOutOfTries(db: Executor, challengeHash: Buffer, now: Date): Promise<boolean> {
  const row = await db
    .selectFrom("sign_in_challenges")
    .select("tries")
    .where("challenge_hash", "=", challengeHash)
    .where("spent_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return row !== undefined && row.tries >= codeTriesMax;
}

/** Spends a challenge. True for exactly one caller, so a code works once also when it arrives twice together. */
export async function spendChallenge(db: Executor, challengeHash: Buffer, now: Date): Promise<boolean> {
  const result = await db
    .updateTable("sign_in_challenges")
    .set({ spent_at: now })
    .where("challenge_hash", "=", challengeHash)
    .where("spent_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Deletes up to `limit` challenges that expired before `before`; returns how many went. */
export async function deleteExpiredChallenges(db: Executor, before: Date, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("sign_in_challenges")
    .where("challenge_hash", "in", (expired) =>
      expired
        .selectFrom("sign_in_challenges")
        .select("challenge_hash")
        .where("expires_at", "<=", before)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
