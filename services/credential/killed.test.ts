import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { ReceivedWebhook } from "../sandbox/kit/testing/webhook-receiver.ts";
import { must } from "./connectors/truelayer/testing/truelayer-world.ts";
import { connectUser, consentAtBank, ownerNamed } from "./testing/credential-world.ts";
import { createKilledWorld, type KilledWorld } from "./testing/killed-world.ts";
import type { BankAnswer } from "./testing/visit-bank.ts";

/*
 * The real process is stopped at a statement and killed there; another one carries on. Every step of a flow is one user's: the process
 * stands at all of them when it dies.
 */
vi.setConfig({ hookTimeout: 120_000, testTimeout: 60_000 });

const refreshes = "POST /oidc/token refresh_token";
let world: KilledWorld;

beforeAll(async () => {
  world = await createKilledWorld();
});
afterAll(() => world?.close());
afterEach(async () => {
  world.bank.behaviour.graceMs = 30_000;
  expect(await world.verifyAudit()).toEqual([]);
});

/** An owner with a connection. */
interface Connected {
  readonly owner: { readonly tenant: string; readonly userId: string };
  readonly connectionId: string;
}

async function connected(userId: string): Promise<Connected> {
  return { owner: ownerNamed(userId), connectionId: await connectUser(world.wallet(), userId) };
}

const complete = (userId: string, answer: BankAnswer) =>
  world.wallet().completeConnect({ owner: ownerNamed(userId), ...answer });
const connectionsOf = async (userId: string) =>
  (await world.wallet().listConnections({ owner: ownerNamed(userId) })).connections;
const rowOf = async ({ connectionId }: Connected) =>
  must((await world.query("select * from connections where connection_id = $1", [connectionId]))[0]);

describe("a process killed while it connects a user", () => {
  const answers = new Map<string, BankAnswer>();
  /** Whether each has a connection once another process has cleaned up. */
  const hasConnection = new Map<string, boolean>();
  const steps = [
    ["asking", { at: "committed", statement: 'update "connect_attempts"', value: "exchanging" }],
    ["asked", { at: "sent", statement: 'update "connect_attempts"', value: "completed" }],
    ["stored", { at: "committed", statement: 'update "connect_attempts"', value: "completed" }],
  ] as const;

  beforeAll(async () => {
    for (const [user, { at, statement, value }] of steps) {
      const answer = await consentAtBank(world.wallet(), user);
      answers.set(user, answer);
      await world.stopAt({ at, statement, naming: [user, value] }, () => complete(user, answer));
    }
    await world.kill();
    await world.untilNone("select 1 from connect_attempts where status = 'exchanging'");
    for (const [user] of steps) hasConnection.set(user, (await connectionsOf(user)).length > 0);
  });

  it.each([
    ["before the bank was asked, has it give up what nobody knows of", "asking", "revoked"],
    ["with the bank's answer in hand, has it take that back", "asked", "code_reused"],
  ])("%s, and the user connects anew", async (_title, user, outcome) => {
    expect(hasConnection.get(user)).toBe(false);
    await expect(complete(user, must(answers.get(user)))).rejects.toMatchObject({ reason: "invalid_state" });
    const ended = "select outcome from audit_entries where action = 'token_exchange' and outcome = $1";
    expect(await world.query(ended, [outcome])).toHaveLength(1);
    const { owner, connectionId } = await connected(user);
    expect((await world.wallet().listAccounts({ owner, connectionId })).accounts).toHaveLength(1);
    expect(await connectionsOf(user)).toHaveLength(1);
  });

  it("with everything stored and nobody told, has connected him once and for all", async () => {
    const [connection] = await connectionsOf("stored");
    expect(connection).toMatchObject({ state: "ACTIVE" });
    await expect(complete("stored", must(answers.get("stored")))).rejects.toMatchObject({ reason: "invalid_state" });
    const call = { owner: ownerNamed("stored"), connectionId: connection?.connectionId ?? "" };
    expect((await world.wallet().listAccounts(call)).accounts).toHaveLength(1);
    expect(await connectUser(world.wallet(), "stored")).toBe(connection?.connectionId);
  });
});

describe("a process killed while it refreshes", () => {
  // Those that leave a transaction open come last: the database ends it after a quarter of a minute.
  const steps = [
    ["unclaimed", { at: "sent", statement: "insert into refresh_intents" }],
    ["claimed", { at: "answered", statement: "insert into refresh_intents" }],
    ["landed", { at: "committed", statement: "update connections held" }],
    ["journaled", { at: "committed", statement: "insert into refresh_journal" }],
    ["landing", { at: "sent", statement: "update connections held" }],
    ["answered", { at: "sent", statement: "insert into refresh_journal" }],
  ] as const;
  const connections = new Map<string, Connected>();
  const left = new Map<string, Record<string, unknown>>();
  /** What another process made of it. */
  const healed = new Map<string, Record<string, unknown>>();
  const refresh = (connection: Connected) => world.wallet().refreshConnection(connection);
  let asks = 0;

  beforeAll(async () => {
    for (const [user] of steps) connections.set(user, await connected(user));
    const before = world.bank.count(refreshes);
    for (const [user, hold] of steps) {
      await world.stopAt({ ...hold, naming: [user] }, () => refresh(must(connections.get(user))));
    }
    for (const [user, connection] of connections) left.set(user, await rowOf(connection));
    await world.kill();
    await world.untilNone("select 1 from connections where refresh_holder is not null");
    for (const [user, connection] of connections) healed.set(user, await rowOf(connection));
    asks = world.bank.count(refreshes) - before;
  });

  it.each([
    ["before its intent was written, has done nothing", "unclaimed", null, 1n],
    ["between intent and bank, leaves a refresh that is flown by the next", "claimed", 1n, 2n],
    ["with the bank's answer and no more, has it asked again while it honours the old token", "answered", 1n, 2n],
    ["with the answer in its journal, has it landed from there", "journaled", 1n, 2n],
    ["in the middle of landing, has it landed once", "landing", 1n, 2n],
    ["with everything landed and nobody told, has refreshed", "landed", 1n, 2n],
  ])("%s, and no token is lost", async (_title, user, epoch, version) => {
    const connection = must(connections.get(user));
    expect(must(left.get(user))["refresh_epoch"]).toBe(`${epoch ?? 0n}`);
    expect(healed.get(user)).toMatchObject({ token_version: `${version}`, state: "ACTIVE" });
    for (const table of ["refresh_intents", "refresh_journal"]) {
      const kept = `select 1 from ${table} where connection_id = $1`;
      expect(await world.query(kept, [connection.connectionId])).toEqual([]);
    }
    // No grace any more: only the one token that is good now does.
    world.bank.behaviour.graceMs = 0;
    const before = BigInt(String((await rowOf(connection))["token_version"]));
    expect((await refresh(connection)).state).toBe("ACTIVE");
    expect(await rowOf(connection)).toMatchObject({ token_version: `${before + 1n}` });
  });

  it("asks the bank once for each, and again only where its answer died with the process", () => {
    expect(asks).toBe(steps.length);
  });
});

let erasedCredentials: ReadonlySet<string>;

describe("a process killed while it erases a user", () => {
  const steps = [
    ["queueing", { at: "sent", statement: 'insert into "revocations"' }],
    ["shredding", { at: "sent", statement: 'delete from "data_keys"' }],
    ["shredded", { at: "answered", statement: 'delete from "data_keys"' }],
    ["erased", { at: "committed", statement: 'delete from "data_keys"' }],
  ] as const;
  const reports = new Map<string, Record<string, unknown>>();

  beforeAll(async () => {
    const before = new Set(world.bank.liveCredentials);
    const inOrder = [steps[3], steps[1], steps[2], steps[0]];
    const connections = new Map<string, Connected>();
    for (const [user] of inOrder) connections.set(user, await connected(user));
    erasedCredentials = new Set([...world.bank.liveCredentials].filter((credential) => !before.has(credential)));
    // The bank's outage keeps every revocation waiting that was queued before the kill.
    world.bank.behaviour.isDown = true;
    for (const [user, hold] of inOrder) {
      const named = user === "queueing" ? must(connections.get(user)).connectionId : user;
      const erase = () => world.wallet().eraseUser({ userId: user });
      await world.stopAt({ ...hold, naming: [named] }, erase);
      reports.set(user, must((await world.query("select * from erasures order by requested_at desc limit 1"))[0]));
    }
    world.bank.behaviour.isDown = false;
    await world.kill();
    await world.untilNone("select 1 from erasures where state = 'running'");
  });

  it.each([
    ["before a revocation was queued", "queueing", "running"],
    ["with the revocation queued and his key still there", "shredding", "running"],
    ["with his key destroyed and not yet for good", "shredded", "running"],
    ["with everything done and nobody told", "erased", "completed"],
  ])("%s, leaves no half: the report is whole, and nothing of him is left", async (_title, user, state) => {
    const { erasure_id: erasureId } = must(reports.get(user));
    expect(must(reports.get(user))["state"]).toBe(state);
    const [erasure] = await world.query("select * from erasures where erasure_id = $1", [erasureId]);
    expect(erasure).toMatchObject({ state: "completed", user_id: null, connections: 1, revocations: 1, data_keys: 1 });
    for (const table of ["connections", "connection_secrets", "connect_attempts", "data_keys", "revocations"]) {
      expect(await world.query(`select 1 from ${table} where user_id = $1`, [user]), table).toEqual([]);
    }
    expect(await connectionsOf(user)).toEqual([]);
  });
});

/** Consents at the data provider; what completes it. */
async function consentAtProvider(userId: string): Promise<() => Promise<unknown>> {
  const owner = ownerNamed(userId);
  const consent = { connector: "truelayer", institutionId: "", redirectUri: "http://127.0.0.1:9/callback" };
  const begun = await world.wallet().beginConnect({ owner, ...consent });
  const query = await world.trueLayer.visit(begun.authUrl);
  const answer = { state: query.get("state") ?? "", code: query.get("code") ?? "", iss: "", error: "" };
  return () => world.wallet().completeConnect({ owner, ...answer });
}

const providerConnectionOf = async (userId: string): Promise<Connected & { readonly reference: string }> => {
  const found = "select connection_id, provider_reference from connections where user_id = $1";
  const row = must((await world.query(found, [userId]))[0]);
  return {
    owner: ownerNamed(userId),
    connectionId: String(row["connection_id"]),
    reference: String(row["provider_reference"]),
  };
};
const transactionsOf = async (userId: string) =>
  (await world.query("select transaction_id from provider_transactions where user_id = $1", [userId])).length;
const runsOf = (userId: string, trigger: string) =>
  world.query("select * from sync_runs where user_id = $1 and trigger = $2", [userId, trigger]);
const allSynced = () => world.untilNone("select 1 from sync_runs where state in ('queued', 'running')");

const webhooks = new Map<string, ReceivedWebhook>();

/** A webhook of this connection with the provider's signature. */
async function signed(name: string, userId: string, type = "transaction.created"): Promise<ReceivedWebhook> {
  const { reference: credentialsId } = await providerConnectionOf(userId);
  const url = new URL("/api/connectors/truelayer/webhook", world.trueLayer.receiver.url).href;
  const answer = await world.trueLayer.sandbox.control("POST", "/webhooks", { type, credentialsId, url });
  const [eventId] = answer.body["eventIds"] as string[]; // as the control API answers
  const webhook = await world.trueLayer.receiver.next(({ body }) => body["event_id"] === eventId);
  webhooks.set(name, webhook);
  return webhook;
}
const eventOf = (name: string) => {
  const id = must(webhooks.get(name)).body["event_id"];
  return world.query("select * from webhook_events where provider_event_id = $1", [id]);
};

describe("a process killed at work for a data provider", () => {
  let halfStored = 0;
  let strictLeft: Record<string, unknown> = {};

  beforeAll(async () => {
    await (await consentAtProvider("strict"))();
    await allSynced();
    const stores = { statement: "insert into provider_transactions" } as const;
    const [whole, half] = [await consentAtProvider("whole"), await consentAtProvider("half")];
    await world.stopAfter({ ...stores, at: "committed", naming: ["whole"] }, whole);
    const applied = await signed("applied", "whole");
    const ends = { at: "sent", statement: 'update "webhook_events"', naming: ["whole", "applied"] } as const;
    await world.stopAfter(ends, () => world.deliver(applied));
    await world.stopAfter({ ...stores, at: "answered", naming: ["half"] }, half);
    const strict = await providerConnectionOf("strict");
    const unkept = { at: "sent", statement: "insert into refresh_journal", naming: ["strict"] } as const;
    await world.stopAt(unkept, () => world.wallet().refreshConnection(strict));
    await world.kill();
    halfStored = await transactionsOf("half");
    await world.untilNone("select 1 from webhook_events where state <> 'done'");
    await allSynced();
    await world.untilNone("select 1 from connections where refresh_holder is not null");
    strictLeft = await rowOf(strict);
  });

  it("with half a page stored, has stored nothing, and the run is done again as a whole", async () => {
    expect(halfStored).toBe(0);
    const [run] = await runsOf("half", "connect");
    expect(run).toMatchObject({ state: "succeeded", attempts: 2, added: await transactionsOf("half") });
    expect(await transactionsOf("half")).toBe(await transactionsOf("strict"));
  });

  it("with the run stored as a whole, has ended it", async () => {
    const [run, ...others] = await runsOf("whole", "connect");
    expect(run).toMatchObject({ state: "succeeded", attempts: 1, added: await transactionsOf("whole") });
    expect([others, await transactionsOf("whole")]).toEqual([[], await transactionsOf("strict")]);
  });

  it("with the only copy of a token, has its user told that an answer was lost, not that he revoked; he goes on in place", async () => {
    const strict = await providerConnectionOf("strict");
    expect(strictLeft).toMatchObject({ state: "EXPIRED", state_reason: "consent_ended" });
    const told = "select details from audit_entries where connection_id = $1 and outcome = 'reauth_required'";
    expect(String((await world.query(told, [strict.connectionId]))[0]?.["details"])).toContain("answer_lost");
    await (await consentAtProvider("strict"))();
    expect(await connectionsOf("strict")).toMatchObject([{ connectionId: strict.connectionId, state: "ACTIVE" }]);
  });

  it("with a webhook's work done and its end not noted, does no harm by doing it again", async () => {
    expect(await eventOf("applied")).toMatchObject([{ outcome: "applied", attempts: 2 }]);
    const runs = (await runsOf("whole", "webhook")).filter((run) => run["kind"] === "transactions");
    expect([1, 2]).toContain(runs.length);
    expect(runs.every((run) => run["state"] === "succeeded")).toBe(true);
  });
});

describe("a process killed over a webhook", () => {
  let leftOfUnstored: Record<string, unknown>[] = [];
  let leftOfStored: Record<string, unknown>[] = [];

  beforeAll(async () => {
    const unstored = await signed("unstored", "whole");
    const stored = await signed("stored", "half", "account.updated");
    const claimed = await signed("claimed", "whole", "account.updated");
    const { reference } = await providerConnectionOf("whole");
    const applies = { at: "sent", statement: "insert into sync_runs", naming: ["whole"] } as const;
    await world.stopAfter(applies, () => world.deliver(claimed));
    const answers = { at: "committed", statement: 'insert into "webhook_events"' } as const;
    await world.stopAt({ ...answers, naming: ["account.updated"] }, () => world.deliver(stored));
    const stores = { at: "sent", statement: 'insert into "webhook_events"', naming: [reference] } as const;
    await world.stopAt(stores, () => world.deliver(unstored));
    [leftOfUnstored, leftOfStored] = [await eventOf("unstored"), await eventOf("stored")];
    await world.kill();
    // Whoever got no answer sends again.
    for (const webhook of [unstored, stored]) expect(await world.deliver(webhook)).toBe(200);
    await world.untilNone("select 1 from webhook_events where state <> 'done'");
    await allSynced();
  });

  it("before it was stored, has it from the provider once more, and does it once", async () => {
    expect(leftOfUnstored).toEqual([]);
    expect(await eventOf("unstored")).toMatchObject([{ outcome: "applied", repeats: 0, attempts: 1 }]);
  });

  it("with the row and no answer, knows the repeat, and does it once", async () => {
    expect(leftOfStored).toHaveLength(1);
    // The process that died may have claimed it already: how often that was begun says nothing, what came of it does.
    expect(await eventOf("stored")).toMatchObject([{ outcome: "applied", repeats: 1 }]);
    expect(await runsOf("half", "webhook")).toMatchObject([{ state: "succeeded", attempts: 1 }]);
  });

  it("at work on it, has it done by the next, once", async () => {
    expect(await eventOf("claimed")).toMatchObject([{ outcome: "applied", attempts: 2 }]);
    const accounts = (await runsOf("whole", "webhook")).filter((run) => run["kind"] === "accounts");
    expect(accounts).toMatchObject([{ state: "succeeded", attempts: 1 }]);
  });
});

describe("what killed processes owed a bank", () => {
  it("is done by others: consents of erased users, and those nobody was told of, end there as well", async () => {
    await world.query("update revocations set due_at = clock_timestamp()");
    await world.untilNone("select 1 from revocations");
    await world.untilNone("select 1 from erasures where revoked_at is null");
    await world.untilNone("select 1 from data_keys where user_id like 'erased:%'");
    expect(erasedCredentials.size).toBe(4);
    expect([...erasedCredentials].filter((credential) => world.bank.liveCredentials.has(credential))).toEqual([]);
  });
});
