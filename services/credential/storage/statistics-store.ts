import { sql } from "kysely";
import { z } from "zod";
import { readShared, type Snapshot } from "./shared-snapshot.ts";
import type { Queryable } from "./storage.ts";
import { countWebhooks, ofConnector } from "./webhook-statistics.ts";

const soonMs = 86_400_000;
const number = z.number();
const outcomesShape = z.array(z.object({ outcome: z.string(), count: number }));
const webhooksShape = z.array(
  z.object({
    connector: z.string(),
    accepted: number,
    repeated: number,
    rejected: number,
    queued: number,
    dead: number,
  }),
);
const countsShape = z.object({
  connections: z.array(z.object({ connector: z.string(), state: z.string(), count: number })),
  accessTokensExpiring: number,
  consentsExpiring: number,
  refreshes: outcomesShape,
  oldestDueRefreshSeconds: number,
  syncRuns: outcomesShape,
  oldestDueSyncSeconds: number,
  /** Of the last 24 hours. */
  webhooks: webhooksShape,
});
const durationsShape = z.array(z.object({ action: z.string(), count: number, p50Ms: number, p95Ms: number }));

/** Counts and ages over all connections. */
export type Counts = Readonly<z.infer<typeof countsShape>>;

/** How long one kind of act took in the last 24 hours, milliseconds. */
export type ActDuration = Readonly<z.infer<typeof durationsShape>[number]>;

/** What operators are told. */
export interface Statistics extends Counts {
  readonly durations: readonly ActDuration[];
}

/** What is counted: of one connector alone where it is named, not older than this unless counting takes long. */
export interface StatisticsQuery {
  readonly now: Date;
  readonly maxAgeMs: number;
  readonly connector?: string | undefined;
}

/** The counts, from the one source of API and metrics: counted by one replica, told by all. */
export async function readCounts(db: Queryable, query: StatisticsQuery): Promise<Snapshot<Counts>> {
  const { now, maxAgeMs, connector } = query;
  const name = connector === undefined ? "counts" : `counts of ${connector}`;
  return await readShared(db, { name, maxAgeMs, now, shape: countsShape, count: () => countAll(db, now, connector) });
}

/** The counts with how long acts took. */
export async function readStatistics(db: Queryable, query: StatisticsQuery): Promise<Snapshot<Statistics>> {
  const { now, maxAgeMs, connector } = query;
  const counts = await readCounts(db, query);
  const name = connector === undefined ? "durations" : `durations of ${connector}`;
  const count = () => readDurations(db, new Date(now.getTime() - soonMs), connector);
  const durations = await readShared(db, { name, maxAgeMs, now, shape: durationsShape, count });
  return { at: counts.at, numbers: { ...counts.numbers, durations: durations.numbers } };
}

async function countAll(db: Queryable, now: Date, connector: string | undefined): Promise<Counts> {
  const dayAgo = new Date(now.getTime() - soonMs);
  const groups = await countConnections(db, now, connector);
  const { rows: syncRuns } = await sql<OutcomeCount>`
    select state as outcome, count(*)::int as count from sync_runs
    where requested_at >= ${dayAgo} and ${ofConnector(connector)} group by 1 order by 1`.execute(db);
  const { rows: due } = await sql<{ at: Date | null }>`
    select min(due_at) as at from sync_runs where state = 'queued' and due_at <= ${now} and ${ofConnector(connector)}`.execute(
    db,
  );
  const age = (since: Date | null | undefined) =>
    since === null || since === undefined ? 0 : Math.max(0, Math.floor((now.getTime() - since.getTime()) / 1000));
  const sum = (of: (group: ConnectionGroup) => number) => groups.reduce((total, group) => total + of(group), 0);
  const dueAt = groups
    .flatMap((group) => group.refresh_due ?? [])
    .sort((one, other) => one.getTime() - other.getTime());
  const refreshed = groups.filter((group) => group.outcome !== null && group.state !== "REVOKED");
  return {
    connections: sumBy(groups, ({ connector, state }) => ({ connector, state })),
    accessTokensExpiring: sum((group) => group.tokens),
    consentsExpiring: sum((group) => group.consents),
    refreshes: sumBy(refreshed, ({ outcome }) => ({ outcome: outcome ?? "" })),
    oldestDueRefreshSeconds: age(dueAt[0]),
    syncRuns,
    oldestDueSyncSeconds: age(due[0]?.at),
    webhooks: await countWebhooks(db, dayAgo, connector),
  };
}

interface OutcomeCount {
  readonly outcome: string;
  readonly count: number;
}

interface ConnectionGroup {
  readonly connector: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly count: number;
  readonly tokens: number;
  readonly consents: number;
  readonly refresh_due: Date | null;
}

/** Everything that is to be known of connections, in one walk over them. */
async function countConnections(
  db: Queryable,
  now: Date,
  connector: string | undefined,
): Promise<readonly ConnectionGroup[]> {
  const soon = new Date(now.getTime() + soonMs);
  const { rows } = await sql<ConnectionGroup>`
    select connector, state, refresh_outcome as outcome, count(*)::int as count,
      (count(*) filter (where state in ('ACTIVE', 'ERROR')
        and access_token_expires_at > ${now} and access_token_expires_at <= ${soon}))::int as tokens,
      (count(*) filter (where state in ('ACTIVE', 'ERROR')
        and consent_expires_at > ${now} and consent_expires_at <= ${soon}))::int as consents,
      min(refresh_due_at) filter (where state <> 'REVOKED' and refresh_due_at <= ${now}) as refresh_due
    from connections where ${ofConnector(connector)} group by 1, 2, 3 order by 1, 2, 3`.execute(db);
  return rows;
}

/** Counts of groups that read the same by these names, in the order they come. */
function sumBy<N extends object>(
  groups: readonly ConnectionGroup[],
  namesOf: (group: ConnectionGroup) => N,
): (N & { count: number })[] {
  const sums = new Map<string, N & { count: number }>();
  for (const group of groups) {
    const names = namesOf(group);
    const key = JSON.stringify(names);
    sums.set(key, { ...names, count: (sums.get(key)?.count ?? 0) + group.count });
  }
  return [...sums.values()];
}

/** Of what the view has, which knows the connector of an act whose connection is gone, or never came about. */
async function readDurations(db: Queryable, since: Date, connector: string | undefined): Promise<ActDuration[]> {
  const isCounted = connector === undefined ? sql<boolean>`true` : sql<boolean>`connector_id = ${connector}`;
  const { rows } = await sql<ActDuration>`
    select action, count(*)::int as count,
      percentile_cont(0.5) within group (order by duration_ms)::int as "p50Ms",
      percentile_cont(0.95) within group (order by duration_ms)::int as "p95Ms"
    from connector_audit_logs
    where timestamp >= ${since} and action in ('token_exchange', 'token_refresh', 'account_list', 'transaction_fetch')
      and ${isCounted}
    group by action order by action`.execute(db);
  return rows;
}
