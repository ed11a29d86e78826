import { beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import type { ProviderAccount } from "../connectors/provider-data.ts";
import type { Connection } from "../domain/connection.ts";
import { scheduleSyncs, sweepRetention, sweepSyncs } from "../jobs/sweep-syncs.ts";
import { findConnection, listConnections } from "../storage/connection-store.ts";
import {
  listStoredAccounts,
  listStoredTransactions,
  saveAccounts,
  saveTransactions,
} from "../storage/provider-data-store.ts";
import { claimRun, enqueueRun, finishRun, listRuns } from "../storage/sync-run-store.ts";
import { createPlaidWorld, type PlaidWorld, testCaller, untilHistory } from "../testing/plaid-world.ts";
import { scrapeSeries } from "../testing/scrape-metrics.ts";
import { applyEffect } from "./apply-effect.ts";
import { disconnect } from "./disconnect.ts";
import { sweepRevocations } from "./revoke-secrets.ts";
import { runSync } from "./run-sync.ts";

const dayMs = 86_400_000;
const live = new AbortController().signal;
const webhook = { actor: { name: "webhook:plaid", clientAddress: "", userAgent: "" }, trigger: "webhook" } as const;
let its: PlaidWorld;
let user: string;

setUp(async () => {
  its = await createPlaidWorld();
  return () => its.close();
});
beforeEach(async () => {
  user = `user-${crypto.randomUUID()}`;
  await its.plaid.control("DELETE", "/faults");
});

const db = () => its.replica.deps.storage.db.query;

/** A connection whose first run has brought everything. */
async function synced(): Promise<Connection> {
  const connection = await its.connect(user);
  await untilHistory(its.plaid, connection.providerReference);
  await its.sync();
  return await reread(connection);
}

async function reread(connection: Connection): Promise<Connection> {
  const found = await findConnection(db(), connection);
  if (found === undefined) throw new Error("no connection");
  return found;
}

async function stored(connection: Connection) {
  return await listStoredTransactions(db(), connection, {
    from: undefined,
    to: undefined,
    after: undefined,
    limit: 5_000,
  });
}

async function lastRun(connection: Connection) {
  const [run] = await listRuns(db(), connection, { after: undefined, limit: 1 });
  if (run === undefined) throw new Error("no run");
  return run;
}

async function request(connection: Connection, kind: "transactions" | "accounts" | "tokens" = "transactions") {
  const now = its.world.clock.now();
  return await enqueueRun(db(), { connection, kind, trigger: "manual", requestedBy: "user:test", now });
}

const itemOf = (connection: Connection) => `/items/${connection.providerReference}`;

describe("the first run", () => {
  it("follows the consent by itself and brings accounts and history, once each", async () => {
    const connection = await synced();
    expect(connection.institutionName).toBe("First Platypus Bank");
    expect(connection.state).toBe("ACTIVE");
    expect(await listStoredAccounts(db(), connection)).toHaveLength(3);
    const transactions = await stored(connection);
    expect(transactions.length).toBeGreaterThan(200);
    const run = await lastRun(connection);
    expect(run).toMatchObject({ state: "succeeded", trigger: "connect", added: transactions.length, removed: 0 });
    expect(run.pages).toBeGreaterThan(1);
    expect(connection.lastSyncAt).toEqual(its.world.clock.now());
  });
});

describe("a later run", () => {
  it("brings only what changed: new words for some, one gone", async () => {
    const connection = await synced();
    const before = await stored(connection);
    await its.plaid.control("POST", `${itemOf(connection)}/transactions`, { modify: 60 });
    await its.plaid.control("POST", `${itemOf(connection)}/transactions`, { remove: 1 });
    await request(connection);
    await its.sync();
    const run = await lastRun(connection);
    expect(run).toMatchObject({ state: "succeeded", added: 0, removed: 1 });
    expect(run.changed).toBeGreaterThan(0);
    expect((await stored(connection)).length).toBe(before.length - 1);
  });

  it("is joined by who asks while it waits, and never runs twice at once", async () => {
    const connection = await synced();
    const [first, second] = await Promise.all([request(connection), request(connection)]);
    expect(first).toBe(second);
    await request(connection, "accounts");
    const now = its.world.clock.now();
    const claims = await Promise.all(
      ["one", "two", "three"].map((holder) => claimRun(db(), { now, holder, leaseMs: 60_000 })),
    );
    expect(claims.filter((claim) => claim?.connectionId === connection.connectionId)).toHaveLength(1);
  });

  it("begins again when the data moved, and loses nothing", async () => {
    const connection = await its.connect(user);
    await untilHistory(its.plaid, connection.providerReference);
    await its.plaid.control("POST", `${itemOf(connection)}/mutate-next-page`);
    await its.sync();
    const run = await lastRun(connection);
    expect(run.state).toBe("succeeded");
    const { body } = await its.plaid.control("GET", "/calls?path=/transactions/sync");
    expect(JSON.stringify(body)).toContain("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION");
    expect((await stored(connection)).length).toBe(run.added);
  });
});

describe("a run that does not succeed", () => {
  it("is tried again after an outage, with pauses, and is failed after five tries, each of them measured", async () => {
    const before = await scrapeSeries("sync_duration_seconds_count");
    const connection = await synced();
    const kept = async () => [await stored(connection), await listStoredAccounts(db(), connection)];
    const whole = await kept();
    for (const answer of [
      { kind: "html" },
      { kind: "html", status: 200 },
      { kind: "answer", text: "null" },
      { kind: "answer", text: '{"added":7,"modified":[],"removed":[],"next_cursor":"c","has_more":false}' },
      { kind: "half" },
    ]) {
      await its.plaid.control("POST", "/faults", { path: "/transactions/sync", ...answer });
    }
    await request(connection);
    await its.sync();
    expect(await lastRun(connection)).toMatchObject({ state: "queued", attempts: 1, error: "provider_unavailable" });
    expect(await its.sync()).toBe(0);
    for (let tries = 0; tries < 4; tries += 1) {
      its.world.clock.advance(3_600_000);
      await its.sync();
    }
    expect(await lastRun(connection)).toMatchObject({ state: "failed", attempts: 5, error: "provider_unavailable" });
    expect((await reread(connection)).state).toBe("ACTIVE");
    expect(await kept()).toEqual(whole);
    const after = await scrapeSeries("sync_duration_seconds_count");
    const more = (outcome: string) => (after[`plaid ${outcome}`] ?? 0) - (before[`plaid ${outcome}`] ?? 0);
    expect(["succeeded", "postponed", "failed"].map(more)).toEqual([1, 4, 1]);
  });

  it("waits as long as the provider asks", async () => {
    const connection = await synced();
    const fault = { kind: "rate_limit", path: "/accounts/get", retryAfterSeconds: 120 };
    await its.plaid.control("POST", "/faults", fault);
    await request(connection);
    await its.sync();
    expect(await lastRun(connection)).toMatchObject({ state: "queued", error: "provider_rate_limited" });
    its.world.clock.advance(119_000);
    expect(await its.sync()).toBe(0);
    its.world.clock.advance(2_000);
    await its.sync();
    expect((await lastRun(connection)).state).toBe("succeeded");
  });

  it("waits longer with every try, whatever little the provider asks, and gives way to one that waits already", async () => {
    const connection = await synced();
    const fault = { kind: "rate_limit", path: "/accounts/get", retryAfterSeconds: 1, times: 2 };
    await its.plaid.control("POST", "/faults", fault);
    await request(connection);
    const dueAfterMs: number[] = [];
    for (let tries = 0; tries < 2; tries += 1) {
      await its.sync();
      const due = db().selectFrom("sync_runs").select("due_at").where("connection_id", "=", connection.connectionId);
      const { due_at: dueAt } = await due.where("state", "=", "queued").executeTakeFirstOrThrow();
      dueAfterMs.push(dueAt.getTime() - its.world.clock.now().getTime());
      its.world.clock.advance(60_000);
    }
    expect(dueAfterMs).toEqual([5_000, 10_000]);
    const run = await claimRun(db(), { now: its.world.clock.now(), holder: "late", leaseMs: 60_000 });
    if (run === undefined) throw new Error("no run");
    await request(connection);
    await its.plaid.control("POST", "/faults", { ...fault, times: 1 });
    const measured = async () => (await scrapeSeries("sync_duration_seconds_count"))["plaid failed"] ?? 0;
    const before = await measured();
    await runSync(its.parts, { run, holder: "late" }, live);
    const runs = await listRuns(db(), connection, { after: undefined, limit: 2 });
    expect(runs.map(({ state, error }) => [state, error])).toEqual([
      ["queued", ""],
      ["failed", "provider_rate_limited"],
    ]);
    expect(await measured()).toBe(before + 1);
  });

  it("because the person has to sign in makes the connection wait for him, without another try", async () => {
    const connection = await synced();
    await its.plaid.control("POST", `${itemOf(connection)}/login-required`);
    await request(connection);
    await its.sync();
    expect(await lastRun(connection)).toMatchObject({
      state: "failed",
      error: "reauthorization_required",
      attempts: 1,
    });
    expect(await reread(connection)).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
    await its.plaid.control("POST", `${itemOf(connection)}/login-repaired`);
    await applyEffect(its.replica.deps, connection, { kind: "healed" }, webhook);
    await its.sync();
    expect(await lastRun(connection)).toMatchObject({ state: "succeeded", trigger: "webhook" });
    expect((await reread(connection)).state).toBe("ACTIVE");
  });

  it("is taken over after its process died, whose late end counts for nothing", async () => {
    const connection = await synced();
    const runId = await request(connection);
    const dead = await claimRun(db(), { now: its.world.clock.now(), holder: "dead", leaseMs: 1 });
    if (dead?.runId !== runId) throw new Error("another run");
    await new Promise((resolve) => setTimeout(resolve, 10));
    await its.sync();
    expect(await lastRun(connection)).toMatchObject({ runId, state: "succeeded", attempts: 2 });
    const counts = { pages: 0, added: 0, changed: 0, removed: 0 };
    const end = { state: "failed", error: "late", counts, now: its.world.clock.now() } as const;
    expect(await finishRun(db(), { run: dead, holder: "dead" }, end)).toBe(false);
    const measured = await scrapeSeries("sync_duration_seconds_count");
    await runSync(its.parts, { run: dead, holder: "dead" }, live);
    expect(await lastRun(connection)).toMatchObject({ state: "succeeded", error: "" });
    expect(await scrapeSeries("sync_duration_seconds_count")).toEqual(measured);
  });

  it("since its process stops is given back and runs elsewhere", async () => {
    const connection = await synced();
    await request(connection);
    const run = await claimRun(db(), { now: its.world.clock.now(), holder: "stopping", leaseMs: 60_000 });
    if (run === undefined) throw new Error("no run");
    await runSync(its.parts, { run, holder: "stopping" }, AbortSignal.abort());
    expect((await lastRun(connection)).state).toBe("queued");
    await its.sync();
    expect((await lastRun(connection)).state).toBe("succeeded");
  });

  it("for a connection that was disconnected meanwhile stores nothing", async () => {
    const connection = await its.connect(user);
    await untilHistory(its.plaid, connection.providerReference);
    await disconnect(its.replica.deps, connection, testCaller());
    await its.sync();
    expect(await lastRun(connection)).toMatchObject({ state: "failed", error: "connection_not_found" });
    expect(await stored(connection)).toEqual([]);
  });
});

describe("every run", () => {
  it("is in connector_sync_history, with what it brought and how long it took, or why it failed", async () => {
    const connection = await synced();
    const accounts = await listStoredAccounts(db(), connection);
    const transactions = await stored(connection);
    await its.plaid.control("POST", "/faults", { kind: "html", path: "/transactions/sync", times: 1 });
    const again = await request(connection);
    await its.sync();
    its.world.clock.advance(3_600_000);
    await its.sync();
    await its.plaid.control("POST", `${itemOf(connection)}/login-required`);
    await request(connection);
    await its.sync();
    const { rows } = await its.replica.deps.storage.db.pool.query(
      "select * from connector_sync_history where connection_id = $1 order by requested_at, id",
      [connection.connectionId],
    );
    const common = { user_id: user, connector_id: "plaid", kind: "transactions", finished_at: expect.any(Date) };
    expect(rows).toMatchObject([
      {
        ...{ ...common, trigger: "connect", status: "succeeded", error: "", attempts: 1, duration_ms: 0n },
        ...{ accounts: accounts.length, transactions_added: transactions.length, transactions_removed: 0 },
      },
      {
        ...{ ...common, id: again, trigger: "manual", status: "succeeded", error: "", attempts: 2, accounts: 3 },
        ...{ requested_by: "user:test", transactions_added: 0, duration_ms: 3_600_000n },
      },
      { ...common, status: "failed", error: "reauthorization_required", accounts: null, transactions_added: 0 },
    ]);
  });
});

describe("what a provider tells", () => {
  const tell = (connection: Connection, kind: "sync_transactions" | "consent_revoked" | "reauthorize" | "ignore") =>
    applyEffect(its.replica.deps, connection, { kind }, webhook);

  it("of new transactions queues one run, however often", async () => {
    const connection = await synced();
    expect(await tell(connection, "sync_transactions")).toBe(true);
    await tell(connection, "sync_transactions");
    expect(await its.sync()).toBe(1);
  });

  it("of the end of a consent destroys tokens and data, once", async () => {
    const connection = await synced();
    expect(await tell(connection, "consent_revoked")).toBe(true);
    expect(await reread(connection)).toMatchObject({ state: "REVOKED", hasAccessToken: false });
    const secrets = await db().selectFrom("connection_secrets").selectAll().where("user_id", "=", user).execute();
    expect([secrets.length, (await stored(connection)).length]).toEqual([0, 0]);
    expect(await tell(connection, "consent_revoked")).toBe(false);
    expect(await tell(connection, "sync_transactions")).toBe(false);
  });

  it("of an end to come is kept, and of nothing leaves nothing", async () => {
    const connection = await synced();
    const effect = { kind: "expiring", detail: "2030-01-02T03:04:05Z" } as const;
    await applyEffect(its.replica.deps, connection, effect, webhook);
    expect((await reread(connection)).consentExpiresAt).toEqual(new Date("2030-01-02T03:04:05Z"));
    expect(await tell(connection, "ignore")).toBe(false);
    await tell(connection, "reauthorize");
    expect((await reread(connection)).state).toBe("EXPIRED");
    expect(await tell(connection, "sync_transactions")).toBe(false);
  });
});

describe("a bank linked twice", () => {
  const bank = "Aurora Pacific Bank";
  const itemState = async (itemId: string) => (await its.plaid.control("GET", `/items/${itemId}`)).body["state"];

  it("is one connection, by what its accounts are called for good: the newer item stands, the older one is removed", async () => {
    const first = await its.connect(user, bank);
    await untilHistory(its.plaid, first.providerReference);
    await its.sync();
    const lines = (await stored(first)).length;
    const second = await its.connect(user, bank);
    expect(second).toMatchObject({ connectionId: first.connectionId, state: "ACTIVE" });
    expect(second.providerReference).not.toBe(first.providerReference);
    await sweepRevocations(its.replica.deps, live);
    expect(await itemState(first.providerReference)).toBe("removed");
    expect(await itemState(second.providerReference)).toBe("active");
    await untilHistory(its.plaid, second.providerReference);
    await its.sync();
    expect(await lastRun(second)).toMatchObject({ state: "succeeded", trigger: "connect", added: lines });
    expect(await listStoredAccounts(db(), second)).toHaveLength(3);
    expect(await stored(second)).toHaveLength(lines);
  });

  it("at the same moment is one connection and one item", async () => {
    const [one, other] = await Promise.all([its.connect(user, bank), its.connect(user, bank)]);
    expect(one.connectionId).toBe(other.connectionId);
    expect(await listConnections(db(), one.owner)).toHaveLength(1);
    await sweepRevocations(its.replica.deps, live);
    const states = await Promise.all([one, other].map((each) => itemState(each.providerReference)));
    expect(states.sort()).toEqual(["active", "removed"]);
    expect(await itemState((await reread(one)).providerReference)).toBe("active");
  });

  it("is two connections where Plaid tells no lasting names", async () => {
    const [one, other] = [await its.connect(user), await its.connect(user)];
    expect(one.connectionId).not.toBe(other.connectionId);
  });
});

describe("disconnecting", () => {
  it("destroys what the connection brought, and the item at Plaid", async () => {
    const connection = await synced();
    expect(await disconnect(its.replica.deps, connection, testCaller())).toBe(true);
    expect([await stored(connection), await listStoredAccounts(db(), connection)]).toEqual([[], []]);
    const { body } = await its.plaid.control("GET", itemOf(connection));
    expect(body["state"]).toBe("removed");
  });
});

describe("the schedule", () => {
  it("asks for a run of data older than six hours, and retention removes what is too old", async () => {
    const connection = await synced();
    await its.sync();
    expect(await scheduleSyncs(its.replica.deps)).toBe(0);
    its.world.clock.advance(6 * 3_600_000 + 1_000);
    expect(await scheduleSyncs(its.replica.deps)).toBeGreaterThan(0);
    expect(await scheduleSyncs(its.replica.deps)).toBe(0);
    await sweepSyncs(its.parts, live);
    await sweepRetention(its.parts, live);
    const before = (await stored(connection)).length;
    const old = {
      transactionId: "old",
      accountId: "a",
      amountMinor: -1n,
      currency: "USD",
      description: "old\0",
    } as const;
    const postedAt = new Date(its.world.clock.now().getTime() - 731 * dayMs);
    const save = () =>
      inTransaction(its.replica.deps.storage.db, (tx) =>
        saveTransactions(tx, connection, [{ ...old, status: "posted", postedAt }], its.world.clock.now()),
      );
    await save();
    expect((await stored(connection)).length).toBe(before + 1);
    await sweepRetention(its.parts, live);
    expect((await stored(connection)).length).toBe(before);
    await db()
      .updateTable("connections")
      .set({ settings: JSON.stringify({ retentionDays: 30 }) })
      .where("user_id", "=", user)
      .execute();
    await sweepRetention(its.parts, live);
    const left = await stored(connection);
    const bound = its.world.clock.now().getTime() - 30 * dayMs;
    expect(left.length).toBeGreaterThan(0);
    expect(left.every((each) => each.postedAt.getTime() >= bound)).toBe(true);
  });

  it("forgets runs that ended more than ninety days ago, and no others", async () => {
    const connection = await synced();
    await request(connection, "accounts");
    await its.sync();
    await request(connection);
    const [waiting, recent, old] = await listRuns(db(), connection, { after: undefined, limit: 3 });
    const ended = async (runId: string | undefined, days: number) => {
      const at = new Date(its.world.clock.now().getTime() - days * dayMs);
      await db()
        .updateTable("sync_runs")
        .set({ finished_at: at })
        .where("run_id", "=", runId ?? "")
        .execute();
    };
    await ended(recent?.runId, 89);
    await ended(old?.runId, 91);
    await sweepRetention(its.parts, live);
    const left = await listRuns(db(), connection, { after: undefined, limit: 3 });
    expect(left.map((run) => run.runId)).toEqual([waiting?.runId, recent?.runId]);
  });
});

describe("an account its provider no longer names", () => {
  const linesOf = async (connection: Connection, accountId: string) =>
    (await stored(connection)).filter((each) => each.accountId === accountId).length;
  const rowsOf = async (connection: Connection, accountId: string) => {
    const count = (table: "provider_accounts" | "provider_transactions") =>
      db()
        .selectFrom(table)
        .select("account_id")
        .where("connection_id", "=", connection.connectionId)
        .where("account_id", "=", accountId)
        .execute();
    return [(await count("provider_accounts")).length, (await count("provider_transactions")).length] as const;
  };
  const save = (connection: Connection, accounts: readonly ProviderAccount[]) =>
    inTransaction(its.replica.deps.storage.db, (tx) => saveAccounts(tx, connection, accounts, its.world.clock.now()));

  it("is hidden with its transactions, comes back whole, and is removed with them after thirty days", async () => {
    const connection = await synced();
    const accounts = await listStoredAccounts(db(), connection);
    const [gone, ...rest] = accounts;
    if (gone === undefined) throw new Error("no account");
    const lines = await linesOf(connection, gone.accountId);
    expect(lines).toBeGreaterThan(10);
    await save(connection, rest);
    expect([await linesOf(connection, gone.accountId), await listStoredAccounts(db(), connection)]).toEqual([0, rest]);
    const query = { accountId: gone.accountId, from: undefined, to: undefined, after: undefined, limit: 10 };
    expect(await listStoredTransactions(db(), connection, query)).toEqual([]);
    await save(connection, accounts);
    expect(await linesOf(connection, gone.accountId)).toBe(lines);
    await save(connection, rest);
    its.world.clock.advance(29 * dayMs);
    await sweepRetention(its.parts, live);
    expect((await rowsOf(connection, gone.accountId))[0]).toBe(1);
    its.world.clock.advance(1.1 * dayMs);
    await sweepRetention(its.parts, live);
    expect(await rowsOf(connection, gone.accountId)).toEqual([0, 0]);
    expect(await listStoredAccounts(db(), connection)).toEqual(rest);
    expect((await stored(connection)).length).toBeGreaterThan(0);
  });
});
