import { randomUUID } from "node:crypto";
import { type Insertable, sql } from "kysely";
import { beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { jobActor } from "../domain/audit.ts";
import { recordStatistics } from "../jobs/statistics-metrics.ts";
import {
  asOperator,
  type CredentialWorld,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";
import { addConnection, addWebhookEvent } from "../testing/made-rows.ts";
import { scrapeSeries } from "../testing/scrape-metrics.ts";
import { appendAudit } from "./audit-store.ts";
import type { Tables } from "./tables.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const owner = ownerNamed("sam");
const noOne = { tenant: owner.tenant, user_id: owner.userId };
let world: CredentialWorld;
let replica: Replica;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  return () => world.close();
});

const db = () => replica.deps.storage.db.query;
/** So many milliseconds from now; before now when negative. */
const at = (ms: number) => new Date(world.clock.now().getTime() + ms);

/** Counted anew: what was told a moment ago is told no longer. */
async function statistics(ask: "getConnectorStatistics" | "getTrueLayerStatistics" = "getConnectorStatistics") {
  await db().deleteFrom("statistics_snapshots").execute();
  return await replica.gateway[ask]({}, asOperator);
}

async function viewed(query: ReturnType<typeof sql>): Promise<unknown[]> {
  return (await query.execute(db())).rows;
}

const connection = (
  connector: string,
  state: "ACTIVE" | "EXPIRED" | "REVOKED" | "ERROR",
  columns?: Partial<Insertable<Tables["connections"]>>,
) => addConnection(db(), { owner, connector, state, now: at(0) }, columns);

async function run(
  of: { connectionId: string; connector: string },
  state: "queued" | "succeeded" | "failed",
  times: { requestedMs: number; dueMs: number },
): Promise<void> {
  const finished = state === "queued" ? null : at(times.dueMs);
  const words = { kind: "transactions", trigger: "schedule", state, requested_by: "job:test" } as const;
  const nothing = { started_at: null, holder: null, lease_until: null };
  const ids = { ...noOne, run_id: randomUUID(), connection_id: of.connectionId, connector: of.connector };
  const dates = { requested_at: at(times.requestedMs), due_at: at(times.dueMs), finished_at: finished };
  await db()
    .insertInto("sync_runs")
    .values({ ...ids, ...words, ...nothing, ...dates })
    .execute();
}

async function rejections(connector: string, agoMs: number, count: bigint): Promise<void> {
  const hour = sql<Date>`date_trunc('hour', ${at(-agoMs)}::timestamptz, 'UTC')`;
  await db().insertInto("webhook_rejections").values({ connector, hour, reason: "signature", count }).execute();
}

async function acts(
  of: { connector: string; connectionId?: string },
  action: "token_exchange" | "token_refresh" | "account_list" | "credential_access",
  took: { agoMs?: number; durationsMs: readonly number[] },
): Promise<void> {
  const { storage } = replica.deps;
  const subject = { owner, actor: jobActor("test"), now: at(-(took.agoMs ?? 0)) };
  const each = took.durationsMs.map((durationMs) => ({
    ...{ ...of, action, outcome: "ok", institutionId: "bank", durationMs },
  }));
  await inTransaction(storage.db, (tx) => appendAudit(storage, tx, subject, each));
}

/** Every number below is known from these rows; each edge has a row on either side of it. */
async function makeWorld(): Promise<{ truelayer: string }> {
  const refreshed = { refresh_outcome: "refreshed" };
  const anna = await connection("plaid", "ACTIVE", { ...refreshed, access_token_expires_at: at(dayMs) });
  const bert = await connection("plaid", "ACTIVE", {
    ...{ ...refreshed, access_token_expires_at: at(dayMs + 1), refresh_due_at: at(1) },
  });
  const truelayer = await connection("truelayer", "ACTIVE", {
    ...{ access_token_expires_at: at(0), consent_expires_at: at(dayMs) },
    ...{ refresh_due_at: at(-90_000), refresh_outcome: "transient" },
  });
  const down = await connection("truelayer", "ERROR", {
    ...{ access_token_expires_at: at(hourMs), consent_expires_at: at(dayMs + 1) },
    ...{ refresh_due_at: at(-30_000), refresh_outcome: "provider_down" },
  });
  const ending = { access_token_expires_at: at(hourMs), consent_expires_at: at(hourMs) };
  await connection("truelayer", "EXPIRED", { ...ending, refresh_outcome: "reauth_required" });
  await connection("truelayer", "REVOKED", { ...ending, ...refreshed, refresh_due_at: at(-hourMs) });
  await connection("basiq", "ACTIVE");

  const ofAnna = { connectionId: anna, connector: "plaid" };
  await run(ofAnna, "succeeded", { requestedMs: -dayMs, dueMs: -dayMs });
  await run(ofAnna, "succeeded", { requestedMs: -dayMs - 1, dueMs: -dayMs });
  await run({ connectionId: bert, connector: "plaid" }, "queued", { requestedMs: -10 * minuteMs, dueMs: -45_000 });
  await run({ connectionId: truelayer, connector: "truelayer" }, "queued", { requestedMs: 0, dueMs: minuteMs });
  const ofDown = { connectionId: down, connector: "truelayer" };
  await run(ofDown, "failed", { requestedMs: -hourMs, dueMs: -hourMs });
  await run(ofDown, "queued", { requestedMs: -30 * hourMs, dueMs: -20_000 });

  const plaid = { connector: "plaid", state: "done" } as const;
  await addWebhookEvent(db(), { ...plaid, received: at(-dayMs), last: at(-minuteMs), repeats: 3 });
  await addWebhookEvent(db(), { ...plaid, received: at(-dayMs - 1), repeats: 5 });
  await addWebhookEvent(db(), { connector: "truelayer", state: "queued", received: at(-2 * dayMs) });
  await addWebhookEvent(db(), { connector: "truelayer", state: "dead", received: at(-hourMs) });
  await rejections("truelayer", 0, 4n);
  await rejections("truelayer", 26 * hourMs, 9n);
  await rejections("wise", 23 * hourMs, 2n);

  const ofTrueLayer = { connectionId: truelayer, connector: "truelayer" };
  await acts(ofTrueLayer, "token_refresh", { durationsMs: [10, 20, 30, 40, 50] });
  await acts(ofTrueLayer, "token_refresh", { agoMs: dayMs + 1, durationsMs: [9_000] });
  await acts(ofTrueLayer, "credential_access", { durationsMs: [7] });
  // Of a consent that became no connection.
  await acts({ connector: "truelayer" }, "token_exchange", { durationsMs: [80] });
  await acts(ofAnna, "account_list", { durationsMs: [100] });
  return { truelayer };
}

const noWebhooks = { accepted: 0, repeated: 0, rejected: 0, queued: 0, dead: 0 };
const counted = (groups: readonly { outcome: string; count: number }[]) =>
  Object.fromEntries(groups.map(({ outcome, count }) => [outcome, count]));

beforeEach(async () => {
  // The trail keeps what earlier tries left there; by now it is of no last day.
  world.clock.advance(3 * dayMs);
  for (const table of ["sync_runs", "connections", "webhook_events", "webhook_rejections"] as const) {
    await db().deleteFrom(table).execute();
  }
});

describe("the statistics", () => {
  it("are zero where nothing is, and no gauge is missing", async () => {
    expect(await statistics()).toMatchObject({
      ...{ connections: [], refreshes: [], syncRuns: [], webhooks: [], durations: [] },
      ...{ accessTokensExpiring: 0, consentsExpiring: 0, oldestDueRefreshSeconds: 0, oldestDueSyncSeconds: 0 },
    });
    await recordStatistics(replica.deps);
    expect(await scrapeSeries("connections_expiring")).toEqual({ access_token: 0, consent: 0 });
    expect(await scrapeSeries("oldest_due_seconds")).toEqual({ refresh: 0, sync: 0 });
  });

  it("are known numbers to the edge of a day, what has ended left out, and the metrics are the same", async () => {
    await makeWorld();
    const told = await statistics();
    expect(told).toMatchObject({
      ...{ accessTokensExpiring: 2, consentsExpiring: 1, oldestDueRefreshSeconds: 90, oldestDueSyncSeconds: 45 },
      durations: [
        { action: "account_list", count: 1, p50Ms: 100, p95Ms: 100 },
        { action: "token_exchange", count: 1, p50Ms: 80, p95Ms: 80 },
        { action: "token_refresh", count: 5, p50Ms: 30, p95Ms: 48 },
      ],
      webhooks: [
        { ...noWebhooks, connector: "plaid", accepted: 1, repeated: 3 },
        { ...noWebhooks, connector: "truelayer", accepted: 1, rejected: 4, queued: 1, dead: 1 },
        { ...noWebhooks, connector: "wise", rejected: 2 },
      ],
    });
    const connections = Object.fromEntries(
      told.connections.map(({ connector, state, count }) => [`${connector} ${state}`, count]),
    );
    const ofTrueLayer = { "truelayer ACTIVE": 1, "truelayer ERROR": 1, "truelayer EXPIRED": 1, "truelayer REVOKED": 1 };
    expect(connections).toEqual({ "basiq ACTIVE": 1, "plaid ACTIVE": 2, ...ofTrueLayer });
    // What is over is not counted, though its last refresh went well.
    const refreshes = { refreshed: 2, transient: 1, provider_down: 1, reauth_required: 1 };
    expect(counted(told.refreshes)).toEqual(refreshes);
    const syncRuns = { succeeded: 1, queued: 2, failed: 1 };
    expect(counted(told.syncRuns)).toEqual(syncRuns);

    await recordStatistics(replica.deps);
    expect(await scrapeSeries("connections")).toMatchObject(connections);
    expect(await scrapeSeries("connections_expiring")).toEqual({ access_token: 2, consent: 1 });
    expect(await scrapeSeries("connection_refreshes")).toMatchObject(refreshes);
    expect(await scrapeSeries("oldest_due_seconds")).toEqual({ refresh: 90, sync: 45 });
    expect(await scrapeSeries("sync_runs_day")).toMatchObject(syncRuns);
    expect(await scrapeSeries("webhooks_day")).toMatchObject({
      ...{ "plaid accepted": 1, "plaid repeated": 3, "plaid rejected": 0, "plaid queued": 0, "plaid dead": 0 },
      ...{ "truelayer accepted": 1, "truelayer repeated": 0, "truelayer rejected": 4, "truelayer queued": 1 },
      ...{ "truelayer dead": 1, "wise rejected": 2 },
    });
  });

  it("are what the views add up to", async () => {
    await makeWorld();
    const [soon, dayAgo, now] = [at(dayMs), at(-dayMs), at(0)];
    const connections = sql`select connector_id, count(*)::int from connector_connections group by 1 order by 1`;
    expect(await viewed(connections)).toEqual([
      { connector_id: "basiq", count: 1 },
      { connector_id: "plaid", count: 2 },
      { connector_id: "truelayer", count: 4 },
    ]);
    const ending = sql`select count(*) filter (where expires_at > ${now} and expires_at <= ${soon})::int as tokens,
      count(*) filter (where consent_expires_at > ${now} and consent_expires_at <= ${soon})::int as consents
      from connector_connections where status in ('connected', 'syncing', 'error')`;
    expect(await viewed(ending)).toEqual([{ tokens: 2, consents: 1 }]);
    const due = sql`select extract(epoch from ${now}::timestamptz - min(refresh_due_at))::int as age
      from truelayer_connections where status <> 'REVOKED'`;
    expect(await viewed(due)).toEqual([{ age: 90 }]);
    const runs = sql`select status, count(*)::int from connector_sync_history where requested_at >= ${dayAgo}
      group by 1 order by 1`;
    expect(await viewed(runs)).toEqual([
      { status: "failed", count: 1 },
      { status: "queued", count: 2 },
      { status: "succeeded", count: 1 },
    ]);
    const events = sql`select connector_id, count(*) filter (where received_at >= ${dayAgo})::int as accepted,
      count(*) filter (where status = 'dead')::int as dead from connector_webhook_events group by 1 order by 1`;
    expect(await viewed(events)).toEqual([
      { connector_id: "plaid", accepted: 1, dead: 0 },
      { connector_id: "truelayer", accepted: 1, dead: 1 },
    ]);
    const refreshes = sql`select count(*)::int, percentile_cont(0.95) within group (order by duration_ms)::int as p95
      from truelayer_audit_logs where action = 'TOKEN_REFRESH' and created_at >= ${dayAgo}`;
    expect(await viewed(refreshes)).toEqual([{ count: 5, p95: 48 }]);
  });

  it("show a gauge as zero once nothing has its labels any more", async () => {
    const { truelayer } = await makeWorld();
    await statistics();
    await recordStatistics(replica.deps);
    expect(await scrapeSeries("connections")).toMatchObject({ "truelayer ACTIVE": 1, "truelayer REVOKED": 1 });
    const over = { state: "REVOKED", state_reason: "over" } as const;
    await db().updateTable("connections").set(over).where("connection_id", "=", truelayer).execute();
    expect(await statistics()).toMatchObject({ consentsExpiring: 0, oldestDueRefreshSeconds: 30 });
    await recordStatistics(replica.deps);
    expect(await scrapeSeries("connections")).toMatchObject({ "truelayer ACTIVE": 0, "truelayer REVOKED": 2 });
    expect(await scrapeSeries("connection_refreshes")).toMatchObject({ transient: 0, refreshed: 2 });
  });

  it("of TrueLayer are of nothing else", async () => {
    await makeWorld();
    const told = await statistics("getTrueLayerStatistics");
    expect(new Set(told.connections.map((each) => each.connector))).toEqual(new Set(["truelayer"]));
    expect(told).toMatchObject({
      ...{ accessTokensExpiring: 1, oldestDueSyncSeconds: 20 },
      webhooks: [{ connector: "truelayer", accepted: 1, rejected: 4 }],
      durations: [
        { action: "token_exchange", count: 1, p50Ms: 80, p95Ms: 80 },
        { action: "token_refresh", count: 5, p50Ms: 30, p95Ms: 48 },
      ],
    });
  });
});
