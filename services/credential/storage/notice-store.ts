import { sql } from "kysely";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { Connection, ConnectionKey, Owner } from "../domain/connection.ts";
import type { Standing } from "../domain/connection-state.ts";
import { type NoticeKind, noticeOf } from "../domain/owner-notice.ts";
import { keyArrays } from "./key-columns.ts";
import type { Queryable, Tx } from "./storage.ts";

const leaseSeconds = 60;

/** Something an owner is to be told of a connection. */
export interface NewNotice {
  readonly connection: Connection;
  readonly kind: NoticeKind;
  readonly reason: string;
  readonly now: Date;
}

/** A notice handed out. */
export interface OwnerNotice {
  readonly noticeId: string;
  readonly owner: Owner;
  readonly connectionId: string;
  readonly connector: string;
  readonly institutionId: string;
  /** As people know it; empty where the provider did not say. */
  readonly institutionName: string;
  readonly kind: NoticeKind;
  readonly reason: string;
  readonly createdAt: Date;
  /** When the consent ends, as far as is known now. */
  readonly consentEndsAt: Date | undefined;
}

/** What a connection's owner is to be told when its standing changes: one notice, or none. Give the connection as it was before. */
export function noticesOfChange(connection: Connection, standing: Standing, now: Date): NewNotice[] {
  const kind = noticeOf({ state: connection.state, reason: connection.stateReason }, standing);
  return kind === undefined ? [] : [{ connection, kind, reason: standing.reason, now }];
}

/** Writes notices, in the transaction of what they tell of. */
export async function addNotices(tx: Tx, notices: readonly NewNotice[]): Promise<void> {
  if (notices.length === 0) return;
  const of = <T>(read: (notice: NewNotice) => T): T[] => notices.map(read);
  await sql`
    insert into owner_notices (tenant, user_id, connection_id, notice_id, connector, institution_id, kind, reason, created_at)
    select * from unnest(${keyArrays(of((notice) => notice.connection))}, ${of(({ now }) => uuidv7(now.getTime()))}::uuid[],
      ${of(({ connection }) => connection.connector)}::text[], ${of(({ connection }) => connection.institutionId)}::text[],
      ${of(({ kind }) => kind)}::text[], ${of(({ reason }) => reason)}::text[], ${of(({ now }) => now)}::timestamptz[])`.execute(
    tx,
  );
}

/** Takes back what nobody has been told yet of a connection: its owner has acted, or it is gone. */
export async function dropNotices(tx: Tx, key: ConnectionKey): Promise<void> {
  await tx
    .deleteFrom("owner_notices")
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .execute();
}

/** Hands out a tenant's oldest notices, each to one caller for a minute; what is not acknowledged by then is handed out again. */
export async function takeNotices(db: Queryable, tenant: string, limit: number): Promise<OwnerNotice[]> {
  const { rows } = await sql<NoticeRow>`
    with waiting as materialized (
      select ctid as place from owner_notices
      where tenant = ${tenant} and coalesce(taken_until < clock_timestamp(), true)
      order by created_at limit ${limit} for update skip locked
    )
    update owner_notices as notice set taken_until = clock_timestamp() + make_interval(secs => ${leaseSeconds})
    from waiting, connections as connection
    where notice.ctid = waiting.place and connection.tenant = notice.tenant and connection.user_id = notice.user_id
      and connection.connection_id = notice.connection_id
    returning notice.*, connection.institution_name, connection.consent_expires_at`.execute(db);
  return rows
    .map((row) => ({
      noticeId: row.notice_id,
      owner: { tenant: row.tenant, userId: row.user_id },
      connectionId: row.connection_id,
      connector: row.connector,
      institutionId: row.institution_id,
      institutionName: row.institution_name,
      kind: row.kind,
      reason: row.reason,
      createdAt: row.created_at,
      consentEndsAt: row.consent_expires_at ?? undefined,
    }))
    .sort((left, right) => left.createdAt.getTime() - right.createdAt.getTime());
}

/** Forgets notices their owners have been told of. An id that is not there any more is no error. */
export async function acknowledgeNotices(db: Queryable, tenant: string, noticeIds: readonly string[]): Promise<void> {
  if (noticeIds.length === 0) return;
  await db.deleteFrom("owner_notices").where("tenant", "=", tenant).where("notice_id", "in", noticeIds).execute();
}

interface NoticeRow {
  readonly notice_id: string;
  readonly tenant: string;
  readonly user_id: string;
  readonly connection_id: string;
  readonly connector: string;
  readonly institution_id: string;
  readonly kind: NoticeKind;
  readonly reason: string;
  readonly created_at: Date;
  readonly institution_name: string;
  readonly consent_expires_at: Date | null;
}
