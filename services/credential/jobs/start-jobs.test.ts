import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { beforeEach, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { eventually } from "../../platform/testing/eventually.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { jobActor } from "../domain/audit.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { enqueueRun } from "../storage/sync-run-store.ts";
import {
  type CredentialWorld,
  connectUser,
  createCredentialWorld,
  ownerNamed,
  type Replica,
  redirectUri,
} from "../testing/credential-world.ts";
import { addConnection, addWebhookEvent } from "../testing/made-rows.ts";
import { scrapeSeries } from "../testing/scrape-metrics.ts";
import { type JobName, jobRestsMs, startJobs } from "./start-jobs.ts";

const dayMs = 86_400_000;
const restMs = 50;
// Set up, so that its connections are scheduled; nobody is there.
const plaidSettings = { PLAID_CLIENT_ID: "client", PLAID_SECRET: "secret", PLAID_BASE_URL: "http://127.0.0.1:9" };
let world: CredentialWorld;
let replica: Replica;
let admin: pg.Client;
let holder: string;

setUp(async () => {
  world = await createCredentialWorld({ settings: plaidSettings });
  replica = await world.startReplica();
  admin = await world.database.openAdmin();
  return () => world.close();
});
beforeEach(() => {
  holder = `replica-${randomUUID()}`;
});

const db = () => replica.deps.storage.db.query;
const at = (ms: number) => new Date(world.clock.now().getTime() + ms);
const start = () => {
  const restsMs = Object.fromEntries(Object.keys(jobRestsMs).map((name) => [name, restMs]));
  // The names are those of the very object they are made from.
  return startJobs({ ...replica, holder, retentionDays: 730, restsMs: restsMs as Record<JobName, number> });
};

async function connected(): Promise<{ owner: { tenant: string; userId: string }; connectionId: string }> {
  const userId = `user-${randomUUID()}`;
  return { owner: ownerNamed(userId), connectionId: await connectUser(replica.wallet, userId) };
}

async function made(connector: string, columns: Parameters<typeof addConnection>[2] = {}) {
  const owner = ownerNamed(`user-${randomUUID()}`);
  return { owner, connectionId: await addConnection(db(), { owner, connector, now: at(0) }, columns) };
}

/** The first row's only column; undefined without a row. */
async function value(text: string, values: unknown[] = []): Promise<unknown> {
  const { rows } = await admin.query({ text, values, rowMode: "array" });
  return rows[0]?.[0];
}

const setConnection = (change: string, key: { connectionId: string }, values: unknown[] = []) =>
  admin.query(`update connections set ${change} where connection_id = $1`, [key.connectionId, ...values]);

/** Something that a job has to do: makes it, and gives how one sees that it was done. */
type Chore = () => Promise<() => Promise<unknown>>;

const chores: Readonly<Record<JobName, Chore>> = {
  refreshes: async () => {
    const key = await connected();
    await setConnection("refresh_due_at = $2", key, [at(0)]);
    return () => value("select token_version > 1 from connections where connection_id = $1", [key.connectionId]);
  },
  revocations: async () => {
    const key = await connected();
    const bank = world.banks.get("north-bank");
    world.banks.delete("north-bank");
    await replica.wallet.disconnect(key);
    if (bank !== undefined) world.banks.set("north-bank", bank);
    await admin.query("update revocations set due_at = $2 where connection_id = $1", [key.connectionId, at(0)]);
    const revoked =
      "select true from audit_entries where connection_id = $1 and outcome = 'revoked_at_provider' and actor = $2";
    return () => value(revoked, [key.connectionId, "job:revoke"]);
  },
  attempts: async () => {
    const owner = ownerNamed(`user-${randomUUID()}`);
    await replica.wallet.beginConnect({ owner, connector: "bsim", institutionId: "north-bank", redirectUri });
    await admin.query("update connect_attempts set created_at = $2 where user_id = $1", [owner.userId, at(-3 * dayMs)]);
    return () => value("select count(*) = 0 from connect_attempts where user_id = $1", [owner.userId]);
  },
  credentials: async () => {
    const key = await made("basiq", { has_credential: true, credential_expires_at: at(-1_000) });
    return () => value("select state <> 'ACTIVE' from connections where connection_id = $1", [key.connectionId]);
  },
  consents: async () => {
    const key = await made("basiq", { consent_expires_at: at(3 * dayMs) });
    return () =>
      value("select kind = 'consent_expiring' from owner_notices where connection_id = $1", [key.connectionId]);
  },
  unscheduled: async () => {
    const key = await made("basiq", { has_refresh_token: true, access_token_expires_at: at(dayMs) });
    // By now it may have been flown, to no good end.
    const wasDue = "select refresh_due_at is not null or refresh_epoch > 0 from connections where connection_id = $1";
    return () => value(wasDue, [key.connectionId]);
  },
  syncs: async () => {
    const connection = { ...(await connected()), connector: "bsim" };
    const request = { kind: "accounts", trigger: "manual", requestedBy: "user:test", now: at(0) } as const;
    const runId = await enqueueRun(db(), { connection, ...request });
    return () => value("select state = 'succeeded' from sync_runs where run_id = $1", [runId]);
  },
  "sync schedule": async () => {
    const key = await made("plaid");
    return () => value("select trigger = 'schedule' from sync_runs where connection_id = $1", [key.connectionId]);
  },
  retention: async () => {
    const { owner, connectionId } = await made("basiq");
    const old = at(-731 * dayMs);
    const row = {
      tenant: owner.tenant,
      user_id: owner.userId,
      connection_id: connectionId,
      transaction_id: "t",
      account_id: "a",
    };
    const money = { amount_minor: 1n, currency: "AUD", description: "", status: "posted" } as const;
    const dates = { posted_at: old, transacted_at: null, created_at: old, updated_at: old };
    const none = { category: null, pending_transaction_id: null };
    await db()
      .insertInto("provider_transactions")
      .values({ ...row, ...money, ...dates, ...none })
      .execute();
    return () => value("select count(*) = 0 from provider_transactions where connection_id = $1", [connectionId]);
  },
  "old webhooks": async () => {
    const id = await addWebhookEvent(db(), { connector: "basiq", state: "done", received: at(-31 * dayMs) });
    return () => value("select count(*) = 0 from webhook_events where webhook_id = $1", [id]);
  },
  "master keys": async () => {
    await admin.query("delete from vault_replicas where replica = $1", [holder]);
    return () => value("select versions = '{1}' from vault_replicas where replica = $1", [holder]);
  },
  wraps: async () => {
    const wraps = await value("select setval('vault_wraps', greatest(last_value, 2147483648) + 1000) from vault_wraps");
    const told = () => world.logLines.filter((line) => line.includes("nears the number of keys it may wrap")).length;
    const before = told();
    return async () =>
      told() > before && ((await scrapeSeries("vault_master_key_wraps"))["1"] ?? 0) > Number(wraps) - 500;
  },
  erasures: async () => {
    const [erasureId, userId] = [randomUUID(), `user-${randomUUID()}`];
    await admin.query(
      `insert into erasures (tenant, erasure_id, owner_hash, user_id, state, requested_by, requested_at, due_at)
        values ('wallet', $1, $2, $3, 'running', 'test', $4, $4)`,
      [erasureId, randomBytes(32), userId, at(-1_000)],
    );
    return () => value("select state = 'completed' from erasures where erasure_id = $1", [erasureId]);
  },
  statistics: async () => {
    await admin.query("delete from statistics_snapshots");
    return () => value("select numbers is not null from statistics_snapshots where name = 'counts'");
  },
  "audit heads": async () => {
    const owner = { tenant: `tenant-${randomUUID()}`, userId: "someone" };
    const { storage } = replica.deps;
    const act = { action: "sync", outcome: "ok", connector: "", institutionId: "", durationMs: 0 } as const;
    const subject = { owner, actor: jobActor("test"), now: at(0) };
    await inTransaction(storage.db, (tx) => appendAudit(storage, tx, subject, [act]));
    return () => value("select sequence = 1 from audit_signed_chains where tenant = $1", [owner.tenant]);
  },
};

it("do each of their works, and again when there is more of it", async () => {
  const stop = start();
  try {
    for (const round of ["first", "second"]) {
      const seen = new Map<string, () => Promise<unknown>>();
      for (const [name, chore] of Object.entries(chores)) seen.set(name, await chore());
      for (const [name, isDone] of seen) {
        await eventually(`${name}, the ${round} time`, async () => (await isDone()) === true);
      }
    }
  } finally {
    await stop();
  }
  expect(world.logLines.filter((line) => line.includes("periodic work failed"))).toEqual([]);
});

it("stop when they are told to: what is under way ends first, and nothing is begun any more", async () => {
  const key = await connected();
  const held = world.bank.holdNextToken();
  await setConnection("refresh_due_at = $2", key, [at(0)]);
  const stop = start();
  await held.arrived;
  let isStopped = false;
  const stopped = stop().then(() => {
    isStopped = true;
  });
  await pause(2 * restMs);
  expect(isStopped).toBe(false);
  void held.letIn();
  await stopped;
  expect(await value("select token_version from connections where connection_id = $1", [key.connectionId])).toBe("2");
  expect(await value("select count(*)::int from vault_replicas where replica = $1", [holder])).toBe(0);
  const seen = new Map<string, () => Promise<unknown>>();
  for (const [name, chore] of Object.entries(chores)) seen.set(name, await chore());
  await pause(3 * restMs);
  for (const [name, isDone] of seen) expect(await isDone(), name).not.toBe(true);
});
