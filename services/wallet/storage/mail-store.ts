import type { Executor } from "./tables.ts";

/** A mail as it waits; `sealed` opens with its id as associated data. */
export interface WaitingMail {
  readonly mailId: string;
  readonly sealed: Buffer;
  readonly deliver: boolean;
  readonly expiresAt: Date;
}

/** Stores a mail to be sent by a job of the same transaction. */
export async function insertMail(db: Executor, mail: WaitingMail & { readonly now: Date }): Promise<void> {
  await db
    .insertInto("outgoing_mail")
    .values({
      mail_id: mail.mailId,
      sealed: mail.sealed,
      deliver: mail.deliver,
      created_at: mail.now,
      expires_at: mail.expiresAt,
    })
    .execute();
}

/** The mail of a job; undefined once it was sent. */
export async function findMail(db: Executor, mailId: string): Promise<WaitingMail | undefined> {
  return await db
    .selectFrom("outgoing_mail")
    .select(["mail_id as mailId", "sealed", "deliver", "expires_at as expiresAt"])
    .where("mail_id", "=", mailId)
    .executeTakeFirst();
}

/** Forgets a mail that was sent or is of no use any more. */
export async function deleteMail(db: Executor, mailId: string): Promise<void> {
  await db.deleteFrom("outgoing_mail").where("mail_id", "=", mailId).execute();
}

/** Deletes up to `limit` mails nobody can use any more; returns how many went. */
export async function deleteExpiredMail(db: Executor, now: Date, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("outgoing_mail")
    .where("mail_id", "in", (expired) =>
      expired
        .selectFrom("outgoing_mail")
        .select("mail_id")
        .where("expires_at", "<=", now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
