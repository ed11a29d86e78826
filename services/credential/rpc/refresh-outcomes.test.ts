import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { jobActor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { formatAnswer } from "../flows/journal-format.ts";
import { openForUse } from "../flows/open-for-use.ts";
import { sweepRefreshes } from "../jobs/sweep-refreshes.ts";
import { sweepUnscheduled } from "../jobs/sweep-unscheduled.ts";
import { listOpenCircuits, openCircuit } from "../storage/circuit-store.ts";
import { findConnection } from "../storage/connection-store.ts";
import { claimFlight } from "../storage/refresh-claims.ts";
import { journalAnswers } from "../storage/refresh-journal.ts";
import {
  asOperator,
  type CredentialWorld,
  connectUser,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";
import { scrapeSeries } from "../testing/scrape-metrics.ts";

const refreshes = "POST /oidc/token refresh_token";
const hourMs = 3_600_000;
const live = new AbortController().signal;
let world: CredentialWorld;
let replica: Replica;
let user: string;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  return () => world.close();
});
beforeEach(() => {
  user = `user-${crypto.randomUUID()}`;
});
afterEach(async () => {
  const calm = { isDown: false, losesTokenAnswers: 0, graceMs: 30_000 };
  Object.assign(world.bank.behaviour, calm);
  const { clientId, clientSecret } = world.bank.client;
  await replica.gateway.putProviderClient({ id: "north-bank", clientId, clientSecret }, asOperator);
  // Each test has the bank, its circuit and its queue to itself.
  await query("delete from refresh_circuits");
  await query("update connections set refresh_due_at = null");
});

const query = async (text: string, values: unknown[] = []) =>
  (await replica.deps.storage.db.pool.query(text, values)).rows;
const intents = () => query("select * from refresh_intents");
const notices = async () => (await replica.wallet.takeOwnerNotices({ tenant: "wallet" })).notices;
const mine = async (connection: Connection) =>
  (await notices()).filter((notice) => notice.connectionId === connection.connectionId);

async function connected(): Promise<Connection> {
  return await reread({ owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) });
}

async function reread(key: Pick<Connection, "owner" | "connectionId">): Promise<Connection> {
  const connection = await findConnection(replica.deps.storage.db.query, key);
  if (connection === undefined) throw new Error("no connection");
  return connection;
}

async function asks<T>(work: () => Promise<T>): Promise<number> {
  const before = world.bank.count(refreshes);
  await work();
  return world.bank.count(refreshes) - before;
}

async function lastRefreshAct(connection: Connection): Promise<unknown> {
  const [row] = await query(
    "select outcome, details from audit_entries where connection_id = $1 and action = 'token_refresh' order by at desc limit 1",
    [connection.connectionId],
  );
  return { outcome: row.outcome, ...JSON.parse(row.details) };
}

describe("an intent", () => {
  it("is there before the bank is asked, and gone with the answer", async () => {
    const connection = await connected();
    const held = world.bank.holdNextToken();
    const refreshed = replica.wallet.refreshConnection(connection);
    await held.arrived;
    expect(await intents()).toMatchObject([{ connection_id: connection.connectionId, token_version: 1n }]);
    void held.letIn();
    await refreshed;
    expect(await intents()).toEqual([]);
  });

  it("of a flight that an asker took over is not looked for again", async () => {
    const connection = await connected();
    await claimFlight(replica.deps.storage.db.query, { seen: connection, holder: "dead", leaseMs: 1 });
    const held = world.bank.holdNextToken();
    const refreshed = replica.wallet.refreshConnection(connection);
    await held.arrived;
    const flown = "select is_over from refresh_intents where connection_id = $1 order by epoch";
    expect(await query(flown, [connection.connectionId])).toEqual([{ is_over: true }, { is_over: false }]);
    void held.letIn();
    await refreshed;
    expect(await query(flown, [connection.connectionId])).toEqual([]);
  });

  it("is what a claim leaves to be found by: the claim itself changes nothing that an index of the connections holds", async () => {
    const changed = "refresh_(epoch|holder|lease_until|outcome)";
    const indexes = "select indexdef from pg_indexes where tablename = 'connections' and indexdef ~ $1";
    expect(await query(indexes, [changed])).toEqual([]);
    expect(await query(indexes, ["refresh_due_at"])).not.toEqual([]);
  });

  it("stays when the answer is lost, so that a refusal which follows is not told as a revocation", async () => {
    const connection = await connected();
    world.bank.behaviour.graceMs = 0;
    world.bank.behaviour.losesTokenAnswers = 1;
    const state = await replica.wallet.refreshConnection(connection).then((answer) => answer.state);
    expect(state).toBe("EXPIRED");
    expect(await lastRefreshAct(connection)).toMatchObject({ outcome: "reauth_required", reason: "answer_lost" });
    user = `user-${crypto.randomUUID()}`;
    const next = await connected();
    world.bank.behaviour.losesTokenAnswers = 2;
    await expect(replica.wallet.refreshConnection(next)).rejects.toMatchObject({ reason: "provider_unavailable" });
    const kept = "select is_over from refresh_intents where connection_id = $1";
    expect(await query(kept, [next.connectionId])).toEqual([{ is_over: true }]);
    world.clock.advance(5_000);
    await sweepRefreshes(replica, live);
    expect(await reread(next)).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
    expect(await lastRefreshAct(next)).toMatchObject({ outcome: "reauth_required", reason: "answer_lost" });
  });
});

describe("the metrics", () => {
  it("count refreshes by provider and how they ended, and measure how long they took", async () => {
    const labels = ["bsim refreshed", "bsim reauth_required"];
    const valuesOf = async (name: string) => {
      const series = await scrapeSeries(name);
      return labels.map((label) => series[label] ?? 0);
    };
    const counts = () => Promise.all(["refreshes_total", "refresh_duration_seconds_count"].map(valuesOf));
    const [[refreshed = 0, refused = 0] = []] = await counts();
    const [secondsBefore = 0] = await valuesOf("refresh_duration_seconds_sum");
    const connection = await connected();
    const startedMs = performance.now();
    await replica.wallet.refreshConnection(connection);
    const tookSeconds = (performance.now() - startedMs) / 1_000;
    expect(await counts()).toEqual(Array(2).fill([refreshed + 1, refused]));
    const [seconds = 0] = await valuesOf("refresh_duration_seconds_sum");
    expect(seconds - secondsBefore).toBeGreaterThan(0);
    expect(seconds - secondsBefore).toBeLessThan(tookSeconds);
    await world.bank.endGrants();
    await replica.wallet.refreshConnection(connection);
    expect(await counts()).toEqual(Array(2).fill([refreshed + 1, refused + 1]));
  });
});

describe("a bank that is down", () => {
  // Replicas look at the circuits once a second.
  beforeEach(() => pause(1_050));
  const flown = async () =>
    (await query("select 1 from audit_entries where action = 'token_refresh' and actor = 'job:refresh'")).length;

  it("is left alone by all replicas after five failures, then asked once, and all go on when it answers", async () => {
    const other = await world.startReplica();
    const connections: Connection[] = [];
    for (let index = 0; index < 8; index += 1) {
      user = `user-${crypto.randomUUID()}`;
      connections.push(await connected());
    }
    world.bank.behaviour.isDown = true;
    for (const connection of connections.slice(0, 5)) {
      await expect(replica.wallet.refreshConnection(connection)).rejects.toMatchObject({ code: 14 });
    }
    await query("update connections set refresh_due_at = $1", [new Date(0)]);
    const before = await flown();
    await sweepRefreshes(other, live);
    expect(await flown()).toBe(before);
    await expect(other.wallet.refreshConnection(connections[7] ?? {})).rejects.toMatchObject({ code: 14 });

    await query("update refresh_circuits set open_until = clock_timestamp()");
    await pause(1_050);
    await Promise.all([sweepRefreshes(other, live), sweepRefreshes(replica, live)]);
    expect(await flown()).toBe(before + 1);

    world.bank.behaviour.isDown = false;
    await query("update refresh_circuits set open_until = clock_timestamp()");
    await query("update connections set refresh_due_at = $1", [new Date(0)]);
    await pause(1_050);
    await sweepRefreshes(other, live);
    for (const connection of connections) expect(await reread(connection)).toMatchObject({ tokenVersion: 2n });
    expect(await query("select * from refresh_circuits")).toEqual([]);
  });

  it("does not count against its connections, and their owners hear of it when their tokens end, and when it is over", async () => {
    const connection = await connected();
    await notices();
    world.bank.behaviour.isDown = true;
    world.clock.advance(61 * 60_000);
    await expect(replica.wallet.refreshConnection(connection)).rejects.toMatchObject({ code: 14 });
    expect(await reread(connection)).toMatchObject({ state: "ERROR", refreshOutcome: "transient" });
    expect(await mine(connection)).toMatchObject([{ kind: "provider_down", reason: "provider_unavailable" }]);
    world.bank.behaviour.isDown = false;
    await replica.wallet.refreshConnection(connection);
    expect(await mine(connection)).toMatchObject([{ kind: "recovered", reason: "" }]);
  });
});

describe("a provider that wants to be left alone", () => {
  it("is, until the latest of the ends it asked for, whatever it answers meanwhile", async () => {
    const scope = { connector: "plaid", institutionId: "ins_1" };
    const { query: db } = replica.deps.storage.db;
    const openings = async () => (await query("select openings from refresh_circuits")).map((row) => row.openings);
    const minutesLeft = async () => {
      const circuits = await listOpenCircuits(db);
      return circuits.map(({ remainingMs, isLimit }) => [Math.ceil(remainingMs / 60_000), isLimit]);
    };
    await openCircuit(db, scope);
    await query("update refresh_circuits set open_until = clock_timestamp() + interval '5 minutes'");
    expect(await minutesLeft()).toEqual([[5, false]]);
    await openCircuit(db, scope, 600_000);
    expect(await minutesLeft()).toEqual([[10, true]]);
    for (const waitMs of [0, 120_000, undefined]) await openCircuit(db, scope, waitMs);
    expect(await minutesLeft()).toEqual([[10, true]]);
    expect(await openings()).toEqual([1]);
    await query("update refresh_circuits set open_until = clock_timestamp()");
    await openCircuit(db, scope, 60_000);
    expect([await minutesLeft(), await openings()]).toEqual([[[1, true]], [2]]);
  });
});

describe("a client the bank does not know", () => {
  it("is an operator's business: tried a quarter of an hour later, the consent untouched", async () => {
    const connection = await connected();
    const wrong = { id: "north-bank", clientId: world.bank.client.clientId, clientSecret: "wrong-secret" };
    await replica.gateway.putProviderClient(wrong, asOperator);
    await expect(replica.wallet.refreshConnection(connection)).rejects.toMatchObject({ code: 14 });
    expect(await reread(connection)).toMatchObject({ state: "ACTIVE", refreshOutcome: "misconfigured" });
    const [row] = await query("select refresh_due_at from connections where connection_id = $1", [
      connection.connectionId,
    ]);
    expect(row.refresh_due_at.getTime() - world.clock.now().getTime()).toBe(15 * 60_000);
  });
});

describe("a notice", () => {
  it("of an ended consent is written at once, handed out to one, and again until it is acknowledged", async () => {
    const connection = await connected();
    await notices();
    await world.bank.endGrants();
    expect((await replica.wallet.refreshConnection(connection)).state).toBe("EXPIRED");
    const [notice] = await mine(connection);
    expect(notice).toMatchObject({
      kind: "reauthorization_required",
      reason: "consent_ended",
      owner: { tenant: "wallet", userId: user },
      institutionId: "north-bank",
    });
    expect(await mine(connection)).toEqual([]);
    await query("update owner_notices set taken_until = clock_timestamp()");
    expect(await mine(connection)).toMatchObject([{ noticeId: notice?.noticeId }]);
    const ended = { tenant: "wallet", noticeIds: [notice?.noticeId ?? ""] };
    await replica.wallet.acknowledgeOwnerNotices(ended);
    await replica.wallet.acknowledgeOwnerNotices(ended);
    expect(await query("select * from owner_notices where connection_id = $1", [connection.connectionId])).toEqual([]);
  });

  it("is taken back when its owner has consented anew", async () => {
    const connection = await connected();
    await world.bank.endGrants();
    await replica.wallet.refreshConnection(connection);
    expect(await connectUser(replica.wallet, user)).toBe(connection.connectionId);
    expect(await mine(connection)).toEqual([]);
  });
});

describe("a clock that jumps", () => {
  it.each([-hourMs, hourMs])("by %d ms neither ends nor prolongs a lease", async (jumpMs) => {
    const connection = await connected();
    await claimFlight(replica.deps.storage.db.query, { seen: connection, holder: "alive", leaseMs: 60_000 });
    world.clock.advance(jumpMs);
    expect(await asks(() => sweepRefreshes(replica, live))).toBe(0);
    // By the database's clock, which did not jump, the lease ends now.
    await query("update connections set refresh_lease_until = clock_timestamp() where refresh_holder = 'alive'");
    expect(await asks(() => sweepRefreshes(replica, live))).toBe(1);
    expect((await reread(connection)).tokenVersion).toBe(2n);
    world.clock.advance(-jumpMs);
  });
});

describe("a connection that fell out of the schedule", () => {
  it("is found by the safety net, and only such", async () => {
    const connection = await connected();
    await sweepUnscheduled(replica.deps, live);
    await query("update connections set refresh_due_at = null where connection_id = $1", [connection.connectionId]);
    expect(await sweepUnscheduled(replica.deps, live)).toBe(1);
    expect(await sweepUnscheduled(replica.deps, live)).toBe(0);
    await sweepRefreshes(replica, live);
    expect((await reread(connection)).tokenVersion).toBe(2n);
  });

  it("with an answer that came after its refusal was believed is found by it too, and has the answer's tokens", async () => {
    const { storage } = replica.deps;
    const seen = await connected();
    await sweepUnscheduled(replica.deps, live);
    const flight = await claimFlight(storage.db.query, { seen, holder: "dead", leaseMs: 1 });
    if (flight === undefined) throw new Error("no flight");
    const answer = { accessToken: "new-access", accessTokenExpiresAt: undefined, refreshToken: "new-refresh" };
    const late = [{ flight, text: formatAnswer(answer), now: world.clock.now() }];
    await inTransaction(storage.db, (tx) => journalAnswers(storage, tx, late));
    // As an older release left it: refused, overtaken, and not due.
    await query(
      `update connections set state = 'EXPIRED', state_reason = 'consent_ended', refresh_due_at = null,
         refresh_holder = null, refresh_lease_until = null where connection_id = $1`,
      [flight.connectionId],
    );
    expect(await sweepUnscheduled(replica.deps, live)).toBe(1);
    await sweepRefreshes(replica, live);
    expect(await reread(flight)).toMatchObject({ state: "ACTIVE", tokenVersion: 2n });
    // The bank knows none such: it was not asked.
    const token = await openForUse(replica.deps, flight, "refresh_token", jobActor("test"));
    expect(token?.plaintext).toBe("new-refresh");
  });
});
