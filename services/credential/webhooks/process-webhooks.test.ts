import { setTimeout as pause } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { ProviderEvent, WebhookEffectKind } from "../connectors/webhook-reader.ts";
import type { Connection } from "../domain/connection.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { eventKeptMs, payloadKeptMs, sweepWebhooks } from "../jobs/sweep-webhooks.ts";
import { verifyAudit } from "../storage/audit-verify.ts";
import { eraseWebhooksOf } from "../storage/forget-webhooks.ts";
import { listWebhooks, replayWebhook } from "../storage/webhook-admin-store.ts";
import { claimWebhooks, finishWebhook } from "../storage/webhook-queue.ts";
import { countWebhooks } from "../storage/webhook-statistics.ts";
import { type CredentialWorld, createCredentialWorld } from "../testing/credential-world.ts";
import { attemptsMax, unknownForMs } from "./event-rules.ts";
import { processWebhooks } from "./process-webhooks.ts";
import {
  connectTo,
  consentAnew,
  createTestProvider,
  reload,
  serveWebhooks,
  signedWebhook,
  type TestEvent,
  type TestProvider,
  withProvider,
} from "./testing/webhook-world.ts";

let world: CredentialWorld;
let deps: Dependencies;
let app: FastifyInstance;
let origin: string;
let provider: TestProvider;
let second: TestProvider;
let other: Dependencies;
let users = 0;
const signal = new AbortController().signal;

setUp(async () => {
  world = await createCredentialWorld();
  provider = createTestProvider("testpay");
  second = createTestProvider("secondpay");
  deps = withProvider(withProvider((await world.startReplica()).deps, provider), second);
  other = withProvider((await world.startReplica()).deps, provider);
  ({ app, origin } = await serveWebhooks(deps));
  return async () => {
    await app.close();
    await world.close();
  };
});
beforeEach(() => {
  provider.bodiesAreOdd = false;
});
afterEach(async () => {
  await deps.storage.db.query.deleteFrom("webhook_events").execute();
});

function newUser(): string {
  users += 1;
  return `user-${users}`;
}

async function connect(reference = `item-${users + 1}`): Promise<Connection> {
  const connection = await connectTo(deps, { connector: "testpay", reference, userId: newUser() });
  world.clock.advance(1_000);
  return connection;
}

const send = (...events: TestEvent[]) => sendFrom("testpay", events);

async function sendFrom(connector: string, events: readonly TestEvent[]): Promise<void> {
  const { body, headers } = signedWebhook(world.clock.now(), events);
  const answer = await fetch(`${origin}/api/connectors/${connector}/webhook`, { method: "POST", headers, body });
  expect(answer.status).toBe(200);
}

const stored = (connector = "testpay") =>
  listWebhooks(deps.storage.db.query, { connector, state: undefined, after: undefined, limit: 1_000 });
const one = async (id: string) => (await stored()).find((event) => event.providerEventId === id);
const work = () => processWebhooks(deps, signal);
const event = (connection: Connection, id: string, kind: WebhookEffectKind, at?: Date): TestEvent => ({
  id,
  connection: connection.providerReference,
  effect: { kind },
  ...(at === undefined ? {} : { at: at.toISOString() }),
});
/** Has thin events hang until they are let go, as what they turn out to be. */
function hangOn(found: Pick<ProviderEvent, "providerReference" | "effect">) {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  provider.resolve = async ({ eventId, type }) => {
    asked.resolve();
    await answer.promise;
    return { eventId, type, ...found };
  };
  return { asked: asked.promise, letGo: answer.resolve };
}
const secondsAgo = (count: number) => new Date(world.clock.now().getTime() - count * 1_000);
const syncRuns = async (connection: Connection) =>
  await deps.storage.db.query
    .selectFrom("sync_runs")
    .select(["kind", "trigger", "state"])
    .where("connection_id", "=", connection.connectionId)
    .execute();

describe("an event", () => {
  it("is done what it asks for, once, and names the connection it was about", async () => {
    const connection = await connect();
    await send(event(connection, "e1", "sync_transactions"));
    expect(await one("e1")).toMatchObject({ state: "queued", outcome: "" });
    expect(await work()).toBe(1);
    expect(await one("e1")).toMatchObject({
      state: "done",
      outcome: "applied",
      attempts: 1,
      connectionId: connection.connectionId,
    });
    expect(await syncRuns(connection)).toEqual([{ kind: "transactions", trigger: "webhook", state: "queued" }]);
    expect(await work()).toBe(0);
  });

  it("of a revoked consent ends the connection; later ones of it do nothing", async () => {
    const connection = await connect();
    await send(event(connection, "e1", "consent_revoked"));
    await work();
    expect((await reload(deps, connection)).state).toBe("REVOKED");
    await send(event(connection, "e2", "healed"), event(connection, "e3", "sync_accounts"));
    await work();
    expect(await one("e2")).toMatchObject({ state: "done", outcome: "disconnected" });
    expect(await one("e3")).toMatchObject({ state: "done", outcome: "disconnected" });
    expect((await reload(deps, connection)).state).toBe("REVOKED");
    expect(await syncRuns(connection)).toEqual([]);
  });

  it("reaches every connection its provider names so", async () => {
    const reference = `shared-${users}`;
    const connections = [await connect(reference), await connect(reference)];
    await send({ id: "e1", connection: reference, effect: { kind: "reauthorize" } });
    await work();
    for (const connection of connections) expect((await reload(deps, connection)).state).toBe("EXPIRED");
  });

  it("that overtook its connection waits for it", async () => {
    await send({ id: "early", connection: "not-yet", effect: { kind: "sync_accounts" } });
    await work();
    expect(await one("early")).toMatchObject({ state: "queued", error: "connection_unknown" });
    const connection = await connect("not-yet");
    world.clock.advance(2_000);
    await work();
    expect(await one("early")).toMatchObject({ state: "done", outcome: "applied", error: "" });
    expect(await syncRuns(connection)).toHaveLength(1);
  });

  it("of the end of a connection that is gone altogether is no dead letter, though it waits as others do", async () => {
    await send({ id: "gone", connection: "erased", effect: { kind: "consent_revoked" } });
    await work();
    expect(await one("gone")).toMatchObject({ state: "queued", error: "connection_unknown" });
    world.clock.advance(unknownForMs);
    await work();
    expect(await one("gone")).toMatchObject({ state: "done", outcome: "disconnected", error: "" });
  });

  it("of a connection that never comes is a dead letter after a while, and can be replayed when it has come", async () => {
    await send({ id: "lost", connection: "never", effect: { kind: "sync_accounts" } });
    for (let waitedMs = 0; waitedMs < unknownForMs; waitedMs += 30_000) {
      await work();
      expect(await one("lost")).toMatchObject({ state: "queued" });
      world.clock.advance(30_000);
    }
    world.clock.advance(60_000);
    await work();
    const dead = await one("lost");
    expect(dead).toMatchObject({ state: "dead", error: "connection_unknown" });
    const connection = await connect("never");
    await replayWebhook(deps.storage, { webhookId: dead?.webhookId ?? "", actor: operator, now: world.clock.now() });
    await work();
    expect(await one("lost")).toMatchObject({ state: "done", outcome: "applied", error: "" });
    expect(await syncRuns(connection)).toHaveLength(1);
  });

  it("without id and time is news again after ten minutes, and a repeat until then", async () => {
    const connection = await connect();
    const news: TestEvent = { connection: connection.providerReference, effect: { kind: "sync_transactions" } };
    const { body, headers } = signedWebhook(world.clock.now(), [news]);
    const path = `${origin}/api/connectors/testpay/webhook`;
    const again = () => fetch(path, { method: "POST", headers, body });
    await again();
    await work();
    await again();
    expect(await stored()).toMatchObject([{ state: "done", repeats: 1 }]);
    await deps.storage.db.query
      .updateTable("webhook_events")
      .set({ received_at: secondsAgo(601) })
      .execute();
    await again();
    expect(await stored()).toMatchObject([{ state: "queued", repeats: 1 }]);
    await work();
    expect(await stored()).toMatchObject([{ state: "done", outcome: "applied" }]);
  });
});

const operator = { name: "operator:tester", clientAddress: "", userAgent: "" };

describe("events out of order", () => {
  it("are applied in the order they happened when they wait together", async () => {
    const connection = await connect();
    await send(
      event(connection, "newer", "healed", secondsAgo(0)),
      event(connection, "older", "reauthorize", secondsAgo(1)),
    );
    await work();
    expect((await reload(deps, connection)).state).toBe("ACTIVE");
    expect(await one("older")).toMatchObject({ outcome: "applied" });
    expect(await one("newer")).toMatchObject({ outcome: "applied" });
  });

  it("leave what a newer one has done alone when they come late", async () => {
    const connection = await connect();
    world.clock.advance(60_000);
    await send(event(connection, "newer", "healed", secondsAgo(10)));
    await work();
    await send(event(connection, "older", "reauthorize", secondsAgo(20)));
    await work();
    expect(await one("older")).toMatchObject({ state: "done", outcome: "superseded" });
    expect((await reload(deps, connection)).state).toBe("ACTIVE");
    await send(event(connection, "newest", "reauthorize", secondsAgo(5)));
    await work();
    expect((await reload(deps, connection)).state).toBe("EXPIRED");
  });

  it("leave a consent alone that was given after them", async () => {
    const before = world.clock.now();
    world.clock.advance(5_000);
    const connection = await connect();
    await send(event(connection, "old-revocation", "consent_revoked", before));
    await work();
    expect(await one("old-revocation")).toMatchObject({ outcome: "superseded" });
    const between = world.clock.now();
    world.clock.advance(5_000);
    await consentAnew(deps, connection);
    await send(event(connection, "late-revocation", "consent_revoked", between));
    await work();
    expect(await one("late-revocation")).toMatchObject({ outcome: "superseded" });
    expect((await reload(deps, connection)).state).toBe("ACTIVE");
  });

  it("are not held up by one that fails", async () => {
    const connection = await connect();
    provider.resolve = async () => {
      throw new ProviderError("unavailable");
    };
    await send(event(connection, "thin", "fetch", secondsAgo(1)));
    await work();
    expect(await one("thin")).toMatchObject({ state: "queued", error: "provider_unavailable" });
    await send(event(connection, "next", "reauthorize", secondsAgo(0)));
    await work();
    expect(await one("next")).toMatchObject({ outcome: "applied" });
  });
});

describe("many events", () => {
  it("that ask for the same are served by one", async () => {
    const connection = await connect();
    for (let count = 0; count < 5; count += 1) await send(event(connection, `e${count}`, "sync_transactions"));
    world.clock.advance(1);
    await work();
    const outcomes = (await stored()).map(({ outcome }) => outcome).sort();
    expect(outcomes).toEqual(["applied", "merged", "merged", "merged", "merged"]);
    expect(await syncRuns(connection)).toHaveLength(1);
  });

  it("wait for the one of their connection that is under way, and those of others do not", async () => {
    const [busy, free] = [await connect(), await connect()];
    await send(event(busy, "under-way", "progress"));
    const now = world.clock.now();
    const leaseUntil = new Date(now.getTime() + 60_000);
    await claimWebhooks(other.storage.db.query, { holder: crypto.randomUUID(), now, leaseUntil, limit: 1 });
    await send(event(busy, "behind", "progress"), event(free, "beside", "progress"));
    expect(await work()).toBe(1);
    expect(await one("behind")).toMatchObject({ state: "queued", attempts: 0 });
    expect(await one("beside")).toMatchObject({ state: "done" });
  });

  it("that come while one hangs at its provider are done meanwhile", async () => {
    const [held, free] = [await connect(), await connect()];
    const { asked, letGo } = hangOn({ providerReference: held.providerReference, effect: { kind: "sync_accounts" } });
    await send(event(held, "held", "fetch"));
    const working = work();
    try {
      await asked;
      for (const id of ["f1", "f2"]) {
        await send(event(free, id, "progress"));
        await expect.poll(() => one(id), { timeout: 20_000 }).toMatchObject({ state: "done", attempts: 1 });
      }
      expect(await one("held")).toMatchObject({ state: "processing" });
    } finally {
      letGo();
    }
    // The held one takes a second turn as what it turned out to be.
    expect(await working).toBe(4);
    expect(await one("held")).toMatchObject({ state: "done", outcome: "applied" });
  });

  it("that come while one hangs are done meanwhile although the database failed in between", async () => {
    const [held, free] = [await connect(), await connect()];
    const { asked, letGo } = hangOn({ providerReference: held.providerReference, effect: { kind: "progress" } });
    await send(event(held, "held", "fetch"));
    const failures = () => world.logLines.filter((line) => line.includes("webhook events not claimed")).length;
    const failedBefore = failures();
    const working = work();
    try {
      await asked;
      const giveBack = await world.database.takeAway();
      await expect.poll(failures, { timeout: 20_000 }).toBeGreaterThan(failedBefore).finally(giveBack);
      await send(event(free, "next", "progress"));
      await expect.poll(() => one("next"), { timeout: 20_000 }).toMatchObject({ state: "done", attempts: 1 });
      expect(await one("held")).toMatchObject({ state: "processing" });
    } finally {
      letGo();
      await working;
    }
    expect(await one("held")).toMatchObject({ state: "done" });
  });

  it("wait for room once as many of their provider hang as may, those of others do not, and none is lost", async () => {
    const answer = Promise.withResolvers<void>();
    let asked = 0;
    provider.resolve = async ({ eventId, type }) => {
      asked += 1;
      await answer.promise;
      return { eventId, type, providerReference: "nobody", effect: { kind: "progress" } };
    };
    const events = Array.from({ length: 40 }, (_, at) => ({ id: `h${at}`, effect: { kind: "fetch" } }) as const);
    await send(...events);
    const working = work();
    try {
      await expect.poll(() => asked, { timeout: 20_000 }).toBe(32);
      await sendFrom("secondpay", [{ id: "beside", connection: "nobody", effect: { kind: "progress" } }]);
      await expect.poll(() => stored("secondpay"), { timeout: 20_000 }).toMatchObject([{ state: "done" }]);
      expect(asked).toBe(32);
    } finally {
      answer.resolve();
    }
    expect(await working).toBe(81);
    expect((await stored()).filter(({ state }) => state !== "done")).toEqual([]);
  });

  it("are done in one go although what they wait for ends just while the next are asked for", async () => {
    const connection = await connect();
    const { providerReference } = connection;
    const { asked, letGo } = hangOn({ providerReference, effect: { kind: "progress" } });
    const slowDatabase = (): Dependencies["storage"]["db"] => {
      const { db } = deps.storage;
      const query = db.query.withPlugin({
        transformQuery: ({ node }) => node,
        // A claim that found nothing, as the event they wait for is still under way, and is answered when that has ended.
        transformResult: async ({ result }) => {
          if (result.rows.length > 0 || (await one("ahead"))?.state !== "processing") return result;
          letGo();
          await expect.poll(() => one("ahead"), { timeout: 20_000 }).toMatchObject({ state: "queued" });
          await pause(50);
          return result;
        },
      });
      return { ...db, query };
    };
    await send(event(connection, "ahead", "fetch", secondsAgo(1)), event(connection, "behind", "progress"));
    const working = processWebhooks({ ...deps, storage: { ...deps.storage, db: slowDatabase() } }, signal);
    await asked;
    expect(await working).toBe(3);
    expect((await stored()).map(({ state }) => state)).toEqual(["done", "done"]);
  });

  it("are worked off once each by two replicas, and of a connection one at a time", async () => {
    const connections = [await connect(), await connect(), await connect()];
    for (let count = 0; count < 10; count += 1) {
      await send(...connections.map((each, at) => event(each, `${at}-${count}`, "progress")));
    }
    const holders = await Promise.all(
      [deps, other, deps, other].map(({ storage }) =>
        claimWebhooks(storage.db.query, {
          holder: crypto.randomUUID(),
          now: world.clock.now(),
          leaseUntil: new Date(world.clock.now().getTime() + 60_000),
          limit: 100,
        }),
      ),
    );
    const claimed = holders.flat();
    expect(claimed.map(({ providerReference }) => providerReference).sort()).toEqual(
      connections.map(({ providerReference }) => providerReference).sort(),
    );
    for (const each of claimed) {
      await finishWebhook(deps.storage.db.query, each, {
        outcome: "applied",
        connection: undefined,
        now: world.clock.now(),
      });
    }
    const attempts = await Promise.all([processWebhooks(deps, signal), processWebhooks(other, signal)]);
    // A replica may find a connection's events taken; the rest comes at its next turn.
    const rest = await work();
    expect(attempts[0] + attempts[1] + rest).toBe(27);
    expect((await stored()).filter(({ state, attempts: tries }) => state !== "done" || tries !== 1)).toEqual([]);
  });
});

describe("a failing event", () => {
  it("is tried ten times, ever later, and then a dead letter", async () => {
    provider.resolve = async () => {
      throw new ProviderError("unavailable");
    };
    const connection = await connect();
    await send(event(connection, "thin", "fetch"));
    const dueAfterMs: number[] = [];
    for (let count = 0; count < attemptsMax; count += 1) {
      const now = world.clock.now();
      expect(await work()).toBe(1);
      const due = (await one("thin"))?.dueAt;
      if (due !== undefined) dueAfterMs.push(due.getTime() - now.getTime());
      expect(await work()).toBe(0);
      world.clock.advance(3_600_000);
    }
    expect(dueAfterMs).toEqual([5, 20, 80, 320, 1280, 3600, 3600, 3600, 3600].map((seconds) => seconds * 1_000));
    expect(await one("thin")).toMatchObject({ state: "dead", attempts: 10, error: "provider_unavailable" });
  });

  it("whose process dies comes back after its lease, and in the end a dead letter", async () => {
    const connection = await connect();
    await send(event(connection, "deadly", "sync_accounts"), event(connection, "behind", "progress"));
    const die = () =>
      claimWebhooks(deps.storage.db.query, {
        holder: crypto.randomUUID(),
        now: world.clock.now(),
        leaseUntil: new Date(world.clock.now().getTime() + 60_000),
        limit: 10,
      });
    const [first] = await die();
    expect(first).toMatchObject({ attempts: 1 });
    expect(await work()).toBe(0);
    world.clock.advance(60_000);
    for (let count = 2; count <= attemptsMax; count += 1) {
      expect(await die()).toMatchObject([{ webhookId: first?.webhookId, attempts: count }]);
      world.clock.advance(60_000);
    }
    if (first === undefined) throw new Error("nothing was claimed");
    const late = { outcome: "applied", connection: undefined, now: world.clock.now() } as const;
    expect(await finishWebhook(deps.storage.db.query, first, late)).toBe(false);
    await work();
    expect(await one("deadly")).toMatchObject({ state: "dead", error: "attempts_exhausted" });
    expect(await one("behind")).toMatchObject({ state: "done" });
  });

  it("of a connector that is gone from the settings is a dead letter", async () => {
    const connection = await connect();
    await send(event(connection, "gone", "sync_accounts"));
    await processWebhooks({ ...deps, connectors: new Map() }, signal);
    expect(await one("gone")).toMatchObject({ state: "dead", error: "connector_not_configured" });
  });
});

describe("a thin event", () => {
  it("is asked for later, and takes its turn as what it turned out to be", async () => {
    const connection = await connect();
    const asked: unknown[] = [];
    provider.resolve = async (thin) => {
      asked.push(thin);
      return {
        type: "consent.revoked",
        occurredAt: world.clock.now(),
        providerReference: connection.providerReference,
        effect: { kind: "consent_revoked" },
      };
    };
    await send({ id: "thin", type: "thin.event", effect: { kind: "fetch" } });
    await work();
    expect(asked).toMatchObject([{ eventId: "thin", type: "thin.event" }]);
    expect(await one("thin")).toMatchObject({ state: "done", outcome: "applied", type: "consent.revoked" });
    expect((await reload(deps, connection)).state).toBe("REVOKED");
  });
});

describe("a body nobody understood", () => {
  it("is read again at a replay, and leaves a row in the audit for it", async () => {
    const connection = await connect();
    provider.bodiesAreOdd = true;
    await send(event(connection, "inside", "sync_accounts"));
    const [dead] = await stored();
    expect(dead).toMatchObject({ type: "unreadable", state: "dead", error: "not_understood" });
    provider.bodiesAreOdd = false;
    await replayWebhook(deps.storage, { webhookId: dead?.webhookId ?? "", actor: operator, now: world.clock.now() });
    await work();
    expect(await one("inside")).toMatchObject({ state: "done", outcome: "applied" });
    expect((await stored()).find(({ type }) => type === "unreadable")).toMatchObject({ outcome: "reread" });
    const read = await deps.storage.db.query
      .selectFrom("audit_entries")
      .select(["details", "institution_id"])
      .where("action", "=", "credential_access")
      .where("details", "like", "%read_webhook%")
      .execute();
    expect(read).toMatchObject([{ institution_id: "testpay" }]);
  });
});

describe("what is kept", () => {
  it("are bodies for a week and events for a month, dead letters with their bodies", async () => {
    const connection = await connect();
    await send(event(connection, "done", "sync_accounts"));
    await work();
    provider.bodiesAreOdd = true;
    await send(event(connection, "odd", "sync_accounts"));
    const bodies = async () => {
      const query = deps.storage.db.query
        .selectFrom("webhook_events")
        .select(["state", "sealed_payload"])
        .orderBy("state");
      return (await query.execute()).map(({ state, sealed_payload }) => [state, sealed_payload !== null]);
    };
    world.clock.advance(payloadKeptMs - 10_000);
    await sweepWebhooks(deps, signal);
    expect(await bodies()).toEqual([
      ["dead", true],
      ["done", true],
    ]);
    world.clock.advance(20_000);
    await sweepWebhooks(deps, signal);
    expect(await bodies()).toEqual([
      ["dead", true],
      ["done", false],
    ]);
    world.clock.advance(eventKeptMs - payloadKeptMs - 20_000);
    await sweepWebhooks(deps, signal);
    expect(await stored()).toHaveLength(2);
    world.clock.advance(20_000);
    await sweepWebhooks(deps, signal);
    expect(await stored()).toEqual([]);
  });

  it("are counts of refused ones for ninety days", async () => {
    const db = deps.storage.db.query;
    const kept = async () => await db.selectFrom("webhook_rejections").select("reason").orderBy("reason").execute();
    const values = (["at 89 days", "at 91 days"] as const).map((reason, at) => {
      const hour = new Date(world.clock.now().getTime() - (89 + 2 * at) * 86_400_000);
      return { connector: `refused-${crypto.randomUUID()}`, hour, reason, count: 1n };
    });
    await db.deleteFrom("webhook_rejections").execute();
    await db.insertInto("webhook_rejections").values(values).execute();
    await sweepWebhooks(deps, signal);
    expect(await kept()).toEqual([{ reason: "at 89 days" }]);
  });

  it("is known to the audit: a body that went and was put back is found by its check, which names it", async () => {
    const db = deps.storage.db.query;
    const found = async () => (await verifyAudit(deps.storage)).problems;
    const [mine, others] = [await connect(), await connect()];
    await send(event(mine, "kept", "sync_accounts"));
    await send(event(others, "swept", "sync_accounts"));
    await work();
    const all = await db.selectFrom("webhook_events").selectAll().execute();
    expect([all.length, await found()]).toEqual([2, []]);
    await inTransaction(deps.storage.db, (tx) => eraseWebhooksOf(deps.storage, tx, mine, world.clock.now()));
    world.clock.advance(payloadKeptMs + 10_000);
    await sweepWebhooks(deps, signal);
    expect(await found()).toEqual([]);
    const named = (row: { connector: string; webhook_id: string } | undefined) => ({
      kind: "secret_put_back",
      where: `${row?.connector}/webhook_payload/${row?.webhook_id}`,
    });
    const [gone, emptied] = ["kept", "swept"].map((id) => all.find((row) => row.provider_event_id === id));
    if (gone === undefined || emptied === undefined) throw new Error("not stored");
    const { arrival: _, ...row } = gone;
    await db.insertInto("webhook_events").values(row).execute();
    expect(await found()).toMatchObject([named(gone)]);
    await db.deleteFrom("webhook_events").where("webhook_id", "=", gone.webhook_id).execute();
    const { data_key_id, sealed_payload } = emptied;
    await db
      .updateTable("webhook_events")
      .set({ data_key_id, sealed_payload })
      .where("webhook_id", "=", emptied.webhook_id)
      .execute();
    expect(await found()).toMatchObject([named(emptied)]);
  });

  it("of an erased connection is nothing, whether it was worked off or not", async () => {
    const [mine, others] = [await connect(), await connect()];
    await send(event(mine, "m1", "sync_accounts"), event(others, "o1", "sync_accounts"));
    await work();
    await send(event(mine, "m2", "sync_accounts"));
    await inTransaction(deps.storage.db, (tx) => eraseWebhooksOf(deps.storage, tx, mine, world.clock.now()));
    expect((await stored()).map(({ providerEventId }) => providerEventId)).toEqual(["o1"]);
  });

  it("is counted: accepted, repeated, rejected, waiting and dead", async () => {
    const since = world.clock.now();
    await send({ id: "c1", connection: "nobody", effect: { kind: "sync_accounts" } });
    await send({ id: "c1", connection: "nobody", effect: { kind: "sync_accounts" } });
    await send({ id: "c2", effect: { kind: "sync_accounts" } });
    await work();
    await fetch(`${origin}/api/connectors/testpay/webhook`, { method: "POST", body: "{}" });
    const counts = (await countWebhooks(deps.storage.db.query, since)).find(({ connector }) => connector === "testpay");
    expect(counts).toMatchObject({ accepted: 2, repeated: 1, rejected: 1, queued: 1, dead: 1 });
  });
});
