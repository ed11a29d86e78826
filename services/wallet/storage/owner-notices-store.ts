import { sql } from "kysely";
import type { Notice } from "../domain/owner-notice.ts";
import type { Executor } from "./tables.ts";

const shownMax = 10;
const mailedTogetherMax = 20;

const columns = [
  "notice_id as noticeId",
  "connection_id as connectionId",
  "connector",
  "place",
  "kind",
  "consent_ends_at as consentEndsAt",
] as const;

/** A notice to keep. */
export interface NewNotice extends Notice {
  readonly createdAt: Date;
  readonly waitsForMail: boolean;
}

/**
 * Keeps notices of a person whose row the transaction holds; those that are kept already stay as they are. Of each connection the newest
 * alone is still to be told, and nothing once it works again.
 */
export async function keepNotices(
  tx: Executor,
  person: { readonly userId: string; readonly now: Date },
  notices: readonly NewNotice[],
): Promise<void> {
  const { userId, now } = person;
  await tx
    .insertInto("owner_notices")
    .values(
      notices.map((notice) => ({
        user_id: userId,
        notice_id: notice.noticeId,
        connection_id: notice.connectionId,
        connector: notice.connector,
        place: notice.place,
        kind: notice.kind,
        created_at: notice.createdAt,
        consent_ends_at: notice.consentEndsAt ?? null,
        received_at: now,
        mail: notice.waitsForMail ? "waiting" : "none",
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await sql`
    update owner_notices as old
    set over_at = ${now}, mail = case when old.mail = 'waiting' then 'none' else old.mail end
    where old.user_id = ${userId} and old.over_at is null and (old.kind = 'recovered' or exists (
      select 1 from owner_notices as newer where newer.user_id = old.user_id and newer.connection_id = old.connection_id
        and (newer.created_at, newer.notice_id) > (old.created_at, old.notice_id)))`.execute(tx);
}

/** What a person is still shown, newest first, at most ten. */
export async function listLiveNotices(db: Executor, userId: string): Promise<Notice[]> {
  const rows = await db
    .selectFrom("owner_notices")
    .select(columns)
    .where("user_id", "=", userId)
    .where("over_at", "is", null)
    .orderBy("created_at", "desc")
    .limit(shownMax)
    .execute();
  return rows.map(fromRow);
}

/** Ends notices: they are neither shown nor mailed any more. Unknown ones are no error. */
export async function endNotices(
  db: Executor,
  of: { readonly userId: string; readonly noticeIds: readonly string[]; readonly now: Date },
): Promise<void> {
  if (of.noticeIds.length === 0) return;
  await db
    .updateTable("owner_notices")
    .set({ over_at: of.now, mail: sql<string>`case when mail = 'waiting' then 'none' else mail end` })
    .where("user_id", "=", of.userId)
    .where("notice_id", "in", of.noticeIds)
    .where("over_at", "is", null)
    .execute();
}

/** How often a person may be mailed about notices. */
export interface MailPace {
  /** The least time between two mails. */
  readonly pauseMs: number;
  readonly perDayMax: number;
}

/** People with notices that wait for a mail, who may be sent one now. */
export async function findPeopleToMail(db: Executor, pace: MailPace, now: Date, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom("owner_notices as waiting")
    .select("waiting.user_id as userId")
    .distinct()
    .where("waiting.mail", "=", "waiting")
    .where(mayBeMailed(pace, now, sql.ref("waiting.user_id")))
    .limit(limit)
    .execute();
  return rows.map((row) => row.userId);
}

/** What waits for a person's mail, oldest first, at most twenty; nothing when he may not be sent one now. */
export async function listNoticesToMail(db: Executor, userId: string, pace: MailPace, now: Date): Promise<Notice[]> {
  const rows = await db
    .selectFrom("owner_notices")
    .select(columns)
    .where("user_id", "=", userId)
    .where("mail", "=", "waiting")
    .where(mayBeMailed(pace, now, sql`${userId}::uuid`))
    .orderBy("created_at")
    .limit(mailedTogetherMax)
    .execute();
  return rows.map(fromRow);
}

/** Notes that a mail with these notices is on its way. */
export async function noteMailed(
  tx: Executor,
  of: { readonly userId: string; readonly noticeIds: readonly string[]; readonly now: Date },
): Promise<void> {
  await tx
    .updateTable("owner_notices")
    .set({ mail: "sent", mailed_at: of.now })
    .where("user_id", "=", of.userId)
    .where("notice_id", "in", of.noticeIds)
    .execute();
}

/** Deletes up to `limit` notices received before; returns how many went. */
export async function deleteOldNotices(db: Executor, before: Date, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`delete from owner_notices where (user_id, notice_id) in (
    select user_id, notice_id from owner_notices where received_at < ${before} limit ${limit} for update skip locked)`.execute(
    db,
  );
  return Number(numAffectedRows ?? 0n);
}

/** One mail has one time, whatever is in it. */
function mayBeMailed({ pauseMs, perDayMax }: MailPace, now: Date, userId: ReturnType<typeof sql>) {
  const since = (ms: number) => new Date(now.getTime() - ms);
  return sql<boolean>`not exists (select 1 from owner_notices as sent where sent.user_id = ${userId}
      and sent.mailed_at > ${since(pauseMs)})
    and (select count(distinct sent.mailed_at) from owner_notices as sent where sent.user_id = ${userId}
      and sent.mailed_at > ${since(86_400_000)}) < ${perDayMax}`;
}

function fromRow(row: Omit<Notice, "consentEndsAt"> & { readonly consentEndsAt: Date | null }): Notice {
  return { ...row, consentEndsAt: row.consentEndsAt ?? undefined };
}
