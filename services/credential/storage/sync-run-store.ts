import { type Selectable, sql } from "kysely";
import { sqlStateOf } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { Connection, ConnectionKey } from "../domain/connection.ts";
import type { SyncCounts, SyncKind, SyncRun, SyncTrigger } from "../domain/sync-run.ts";
import type { Queryable, Tx } from "./storage.ts";
import type { Tables } from "./tables.ts";

const uniqueViolation = "23505";

/** A run to be asked for. */
export interface RunRequest {
  readonly connection: Pick<Connection, "owner" | "connectionId" | "connector">;
  readonly kind: SyncKind;
  readonly trigger: SyncTrigger;
  readonly requestedBy: string;
  readonly now: Date;
}

/** Queues a run and gives its id. One of the same kind that still waits is joined, and brought forward when it waited for later. */
export async function enqueueRun(db: Queryable, request: RunRequest): Promise<string> {
  const { connection, kind, trigger, requestedBy, now } = request;
  const { owner, connectionId, connector } = connection;
  const { rows } = await sql<{ run_id: string }>`
    insert into sync_runs as waiting
      (tenant, user_id, run_id, connection_id, connector, kind, trigger, state, requested_by, requested_at, due_at)
    values (${owner.tenant}, ${owner.userId}, ${uuidv7()}::uuid, ${connectionId}::uuid, ${connector}, ${kind}, ${trigger},
      'queued', ${requestedBy.slice(0, 300)}, ${now}, ${now})
    on conflict (tenant, user_id, connection_id, kind) where state = 'queued'
      do update set due_at = least(waiting.due_at, excluded.due_at)
    returning run_id`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("a run was not queued");
  return row.run_id;
}

/**
 * Takes the run that has waited longest, of connections without a running one, or one whose process died, for `leaseMs` of the
 * database's time. Undefined when there is none.
 */
export async function claimRun(
  db: Queryable,
  claim: { now: Date; holder: string; leaseMs: number },
): Promise<SyncRun | undefined> {
  const { now, holder, leaseMs } = claim;
  const lease = sql`clock_timestamp() + make_interval(secs => ${leaseMs / 1000}::float8)`;
  const take = (which: ReturnType<typeof sql>) => sql<Selectable<Tables["sync_runs"]>>`
    update sync_runs set state = 'running', holder = ${holder}, lease_until = ${lease}, attempts = attempts + 1,
      started_at = coalesce(started_at, ${now})
    where (tenant, user_id, run_id) = (${which}) returning *`;
  const abandoned = sql`select tenant, user_id, run_id from sync_runs
    where state = 'running' and lease_until < clock_timestamp() order by lease_until limit 1 for update skip locked`;
  const due = sql`select tenant, user_id, run_id from sync_runs q
    where state = 'queued' and due_at <= ${now} and not exists (select 1 from sync_runs r where r.state = 'running'
      and r.tenant = q.tenant and r.user_id = q.user_id and r.connection_id = q.connection_id)
    order by due_at limit 1 for update skip locked`;
  for (const which of [abandoned, due]) {
    try {
      const { rows } = await take(which).execute(db);
      if (rows[0] !== undefined) return toRun(rows[0]);
    } catch (error) {
      // Two runs of one connection were taken at once: the other has it, this one stays queued.
      if (sqlStateOf(error) !== uniqueViolation) throw error;
    }
  }
  return undefined;
}

/** A taken run, and who holds it: what fences everything written for it. */
export interface HeldRun {
  readonly run: SyncRun;
  readonly holder: string;
}

/** Keeps a run for another `leaseMs`; false when it was taken from its holder. */
export async function extendLease(db: Queryable, held: HeldRun, leaseMs: number): Promise<boolean> {
  const lease = sql<Date>`clock_timestamp() + make_interval(secs => ${leaseMs / 1000}::float8)`;
  const result = await heldRow(db, held).set({ lease_until: lease }).executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Ends a run; false when it was taken from its holder. */
export async function finishRun(
  db: Queryable,
  held: HeldRun,
  end: { state: "succeeded" | "failed"; error: string; counts: SyncCounts; now: Date },
): Promise<boolean> {
  const { state, error, counts, now } = end;
  const result = await heldRow(db, held)
    .set({ state, error, ...counts, finished_at: now, holder: null, lease_until: null })
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** What became of a run that was to be tried again. */
export type Requeued =
  /** It waits. */
  | "postponed"
  /** It has ended: one of its kind waits already and takes its place. */
  | "failed"
  /** It was taken from its holder. */
  | "left";

/** Has a run tried again at `dueAt`. */
export async function requeueRun(
  db: Queryable,
  held: HeldRun,
  again: { error: string; dueAt: Date; now: Date },
): Promise<Requeued> {
  const { error, dueAt, now } = again;
  try {
    const waiting = { state: "queued", error, due_at: dueAt, holder: null, lease_until: null } as const;
    const result = await heldRow(db, held).set(waiting).executeTakeFirst();
    return result.numUpdatedRows === 1n ? "postponed" : "left";
  } catch (refusal) {
    if (sqlStateOf(refusal) !== uniqueViolation) throw refusal;
    const counts = { pages: 0, added: 0, changed: 0, removed: 0 };
    return (await finishRun(db, held, { state: "failed", error, counts, now })) ? "failed" : "left";
  }
}

/** Where a page of runs begins: after this one. */
export interface RunCursor {
  readonly requestedAt: Date;
  readonly runId: string;
}

/** Runs of a connection, newest first. */
export async function listRuns(
  db: Queryable,
  key: ConnectionKey,
  page: { after: RunCursor | undefined; limit: number },
): Promise<SyncRun[]> {
  let select = db
    .selectFrom("sync_runs")
    .selectAll()
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId);
  if (page.after !== undefined) {
    const { requestedAt, runId } = page.after;
    select = select.where(sql<boolean>`(requested_at, run_id) < (${requestedAt}::timestamptz, ${runId}::uuid)`);
  }
  const rows = await select.orderBy("requested_at", "desc").orderBy("run_id", "desc").limit(page.limit).execute();
  return rows.map(toRun);
}

/** Connections of these connectors whose last run is older than `before` and that have none waiting; longest ago first. */
export async function findStaleConnections(
  db: Queryable,
  search: { connectors: readonly string[]; before: Date; limit: number },
): Promise<Pick<Connection, "owner" | "connectionId" | "connector">[]> {
  if (search.connectors.length === 0) return [];
  const rows = await db
    .selectFrom("connections as c")
    .select(["c.tenant", "c.user_id", "c.connection_id", "c.connector"])
    .where("c.connector", "in", search.connectors)
    .where("c.state", "in", ["ACTIVE", "ERROR"])
    .where((eb) => eb.or([eb("c.last_sync_at", "is", null), eb("c.last_sync_at", "<", search.before)]))
    .where(
      sql<boolean>`not exists (select 1 from sync_runs r where r.tenant = c.tenant and r.user_id = c.user_id
        and r.connection_id = c.connection_id and r.state in ('queued', 'running'))`,
    )
    .where(
      // A run that failed for good is not begun anew at every look.
      sql<boolean>`not exists (select 1 from sync_runs r where r.tenant = c.tenant and r.user_id = c.user_id
        and r.connection_id = c.connection_id and r.requested_at > ${search.before}::timestamptz)`,
    )
    .orderBy(sql`c.last_sync_at nulls first`)
    .limit(search.limit)
    .execute();
  return rows.map((row) => ({
    owner: { tenant: row.tenant, userId: row.user_id },
    connectionId: row.connection_id,
    connector: row.connector,
  }));
}

/** Notes that a connection's data is as of now. */
export async function noteSync(tx: Tx, key: ConnectionKey, now: Date): Promise<void> {
  await tx
    .updateTable("connections")
    .set({ last_sync_at: now })
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .execute();
}

/** Removes runs that ended before `before`, at most `limit`; returns how many. */
export async function deleteOldRuns(db: Queryable, before: Date, limit: number): Promise<bigint> {
  const result = await sql`
    delete from sync_runs where (tenant, user_id, run_id) in (
      select tenant, user_id, run_id from sync_runs where state in ('succeeded', 'failed') and finished_at < ${before}
      order by finished_at limit ${limit})`.execute(db);
  return result.numAffectedRows ?? 0n;
}

function heldRow(db: Queryable, { run, holder }: HeldRun) {
  return db
    .updateTable("sync_runs")
    .where("tenant", "=", run.owner.tenant)
    .where("user_id", "=", run.owner.userId)
    .where("run_id", "=", run.runId)
    .where("state", "=", "running")
    .where("holder", "=", holder)
    .where("attempts", "=", run.attempts);
}

function toRun(row: Selectable<Tables["sync_runs"]>): SyncRun {
  return {
    owner: { tenant: row.tenant, userId: row.user_id },
    connectionId: row.connection_id,
    runId: row.run_id,
    connector: row.connector,
    kind: row.kind,
    trigger: row.trigger,
    state: row.state,
    attempts: row.attempts,
    pages: row.pages,
    added: row.added,
    changed: row.changed,
    removed: row.removed,
    ...(row.accounts === null ? {} : { accounts: row.accounts }),
    error: row.error,
    requestedAt: row.requested_at,
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
  };
}
