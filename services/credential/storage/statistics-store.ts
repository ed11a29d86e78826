import { sql } from "kysely";
import type { Queryable } from "./storage.ts";
import { countWebhooks, type WebhookCounts } from "./webhook-statistics.ts";

const soonMs = 86_400_000;

/** Counts and ages over all connections. */
export interface Statistics {
  readonly connections: readonly { readonly connector: string; readonly state: string; readonly count: number }[];
  readonly accessTokensExpiring: number;
  readonly consentsExpiring: number;
  readonly refreshes: readonly OutcomeCount[];
  readonly oldestDueRefreshSeconds: number;
  readonly syncRuns: readonly OutcomeCount[];
  readonly oldestDueSyncSeconds: number;
  /** Of the last 24 hours. */
  readonly webhooks: readonly WebhookCounts[];
  readonly durations: readonly ActDuration[];
}

/** How long one kind of act took in the last 24 hours, milliseconds. */
export interface ActDuration {
  readonly action: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

interface OutcomeCount {
  readonly outcome: string;
  readonly count: number;
}

/** Reads them, of one connector's connections where it is named; the one source of API, metrics and views. */
export async function readStatistics(db: Queryable, now: Date, connector?: string): Promise<Statistics> {
  const ofConnector = connector === undefined ? sql`true` : sql`connector = ${connector}`;
  const soon = new Date(now.getTime() + soonMs);
  const dayAgo = new Date(now.getTime() - soonMs);
  const connections = await sql<{ connector: string; state: string; count: number }>`
    select connector, state, count(*)::int as count from connections where ${ofConnector} group by connector, state order by connector, state`.execute(
    db,
  );
  const refreshes = await sql<OutcomeCount>`
    select refresh_outcome as outcome, count(*)::int as count from connections
    where refresh_outcome is not null and state <> 'REVOKED' and ${ofConnector} group by 1 order by 1`.execute(db);
  const syncRuns = await sql<OutcomeCount>`
    select state as outcome, count(*)::int as count from sync_runs where requested_at >= ${dayAgo} and ${ofConnector} group by 1 order by 1`.execute(
    db,
  );
  const ages = await sql<{ tokens: number; consents: number; refresh_due: Date | null; sync_due: Date | null }>`
    select
      (select count(*)::int from connections where state in ('ACTIVE', 'ERROR') and ${ofConnector}
        and access_token_expires_at > ${now} and access_token_expires_at <= ${soon}) as tokens,
      (select count(*)::int from connections where state in ('ACTIVE', 'ERROR') and ${ofConnector}
        and consent_expires_at > ${now} and consent_expires_at <= ${soon}) as consents,
      (select min(refresh_due_at) from connections where state <> 'REVOKED' and ${ofConnector} and refresh_due_at <= ${now}) as refresh_due,
      (select min(due_at) from sync_runs where state = 'queued' and ${ofConnector} and due_at <= ${now}) as sync_due`.execute(
    db,
  );
  const [row] = ages.rows;
  const age = (since: Date | null | undefined) =>
    since === null || since === undefined ? 0 : Math.floor((now.getTime() - since.getTime()) / 1000);
  return {
    connections: connections.rows,
    accessTokensExpiring: row?.tokens ?? 0,
    consentsExpiring: row?.consents ?? 0,
    refreshes: refreshes.rows,
    oldestDueRefreshSeconds: age(row?.refresh_due),
    syncRuns: syncRuns.rows,
    oldestDueSyncSeconds: age(row?.sync_due),
    webhooks: await countWebhooks(db, dayAgo),
    durations: await readDurations(db, dayAgo),
  };
}

async function readDurations(db: Queryable, since: Date): Promise<readonly ActDuration[]> {
  const { rows } = await sql<ActDuration>`
    select action, count(*)::int as count,
      percentile_cont(0.5) within group (order by duration_ms)::int as "p50Ms",
      percentile_cont(0.95) within group (order by duration_ms)::int as "p95Ms"
    from audit_entries
    where at >= ${since} and action in ('token_exchange', 'token_refresh', 'account_list', 'transaction_fetch')
    group by action order by action`.execute(db);
  return rows;
}
