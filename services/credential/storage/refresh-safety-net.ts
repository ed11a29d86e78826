import { sql } from "kysely";
import type { Queryable } from "./storage.ts";

const stepSize = 2_000;

/** Where a scan over all connections has come to. */
export interface ScanPlace {
  readonly tenant: string;
  readonly userId: string;
  readonly connectionId: string;
}

/** Before the first. */
export const placeOfAll: ScanPlace = Object.freeze({
  tenant: "",
  userId: "",
  connectionId: "00000000-0000-0000-0000-000000000000",
});

/**
 * One step of a scan over all connections: those that could be refreshed, have no flight, and are scheduled never, or only after their
 * access token ends, become due now. So do those whose refusal was believed although an answer is in the journal: a release that did not
 * make them due with the answer may have put it there while this one was being rolled out. `next` is undefined at the end.
 */
export async function scheduleForgotten(
  db: Queryable,
  scan: { after: ScanPlace | undefined; now: Date },
): Promise<{ readonly scheduled: number; readonly next: ScanPlace | undefined }> {
  const { tenant, userId, connectionId } = scan.after ?? placeOfAll;
  const { rows } = await sql<StepRow>`
    with step as materialized (
      select tenant, user_id, connection_id, refresh_due_at, access_token_expires_at, has_refresh_token, refresh_holder,
        refresh_failures, state, state_reason, generation
      from connections
      where (tenant, user_id, connection_id) > (${tenant}, ${userId}, ${connectionId}::uuid)
      order by tenant, user_id, connection_id limit ${stepSize}
    ),
    forgotten as (
      select tenant, user_id, connection_id from step
      where has_refresh_token and refresh_holder is null and state <> 'REVOKED' and state_reason <> 'consent_ended'
        and (refresh_failures = 0 or refresh_due_at is null)
        and access_token_expires_at is not null
        and coalesce(refresh_due_at > greatest(access_token_expires_at, ${scan.now}), true)
      union all
      select tenant, user_id, connection_id from step
      where state_reason = 'consent_ended' and state <> 'REVOKED' and refresh_holder is null and refresh_due_at is null
        and exists (select from refresh_journal kept where kept.tenant = step.tenant and kept.user_id = step.user_id
          and kept.connection_id = step.connection_id and kept.generation = step.generation)
    ),
    scheduled as (
      update connections held set refresh_due_at = ${scan.now}
      from forgotten where held.tenant = forgotten.tenant and held.user_id = forgotten.user_id
        and held.connection_id = forgotten.connection_id and held.refresh_holder is null
      returning 1
    )
    select (select count(*) from scheduled)::integer as scheduled, tenant, user_id, connection_id from step
    order by tenant desc, user_id desc, connection_id desc limit 1`.execute(db);
  const last = rows[0];
  if (last === undefined) return { scheduled: 0, next: undefined };
  const next = { tenant: last.tenant, userId: last.user_id, connectionId: last.connection_id };
  return { scheduled: last.scheduled, next };
}

interface StepRow {
  readonly scheduled: number;
  readonly tenant: string;
  readonly user_id: string;
  readonly connection_id: string;
}
