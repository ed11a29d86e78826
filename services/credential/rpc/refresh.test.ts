import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import type { TokenSet } from "../connectors/connector.ts";
import { jobActor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { connectorNamed, detachedCall } from "../flows/dependencies.ts";
import { formatAnswer } from "../flows/journal-format.ts";
import { openForUse } from "../flows/open-for-use.ts";
import { land } from "../flows/refresh-landing.ts";
import { sweepCredentials } from "../jobs/sweep-credentials.ts";
import { sweepRefreshes } from "../jobs/sweep-refreshes.ts";
import { findConnection } from "../storage/connection-store.ts";
import { claimFlight, claimOutOfTurn } from "../storage/refresh-claims.ts";
import { journalAnswers } from "../storage/refresh-journal.ts";
import { abortFlight, type FlightEnd } from "../storage/refresh-store.ts";
import {
  type CredentialWorld,
  connectUser,
  consentAtBank,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";

const refreshes = "POST /oidc/token refresh_token";
const dayMs = 86_400_000;
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
afterEach(() => {
  const calm = { isDown: false, losesTokenAnswers: 0, renewsCredential: false, graceMs: 30_000 };
  Object.assign(world.bank.behaviour, calm);
});

async function connected(): Promise<Connection> {
  const key = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
  return await reread(key);
}

async function reread(key: Pick<Connection, "owner" | "connectionId">): Promise<Connection> {
  const connection = await findConnection(replica.deps.storage.db.query, key);
  if (connection === undefined) throw new Error("no connection");
  return connection;
}

/** How often any connection has been claimed for a flight. */
async function claims(): Promise<number> {
  const { db } = replica.deps.storage;
  const sum = db.query.selectFrom("connections").select((eb) => eb.fn.sum("refresh_epoch").as("epochs"));
  return Number((await sum.executeTakeFirstOrThrow()).epochs);
}

/** Claims a flight whose process dies at once: its lease has ended by the next statement. */
async function claimAndDie(seen: Connection): Promise<Connection> {
  const flight = await claimFlight(replica.deps.storage.db.query, { seen, holder: "dead", leaseMs: 1 });
  if (flight === undefined) throw new Error("no flight");
  await new Promise((resolve) => setTimeout(resolve, 5));
  return flight;
}

async function askBank(flight: Connection): Promise<TokenSet> {
  const { deps } = replica;
  const token = await openForUse(deps, flight, "refresh_token", jobActor("test"));
  const { institutionId, providerReference } = flight;
  const grant = { institutionId, providerReference, refreshToken: token?.plaintext ?? "" };
  const answer = await connectorNamed(deps, "bsim").refresh?.(grant, detachedCall(deps));
  if (answer === undefined) throw new Error("no refresh");
  return answer;
}

async function refreshTokenOf(connection: Connection): Promise<string | undefined> {
  return (await openForUse(replica.deps, connection, "refresh_token", jobActor("test")))?.plaintext;
}

const refusedAtOnce = { outcome: "reauth_required", retryAt: undefined, failures: 1, isUnsettled: false } as const;

describe("a process that dies during a refresh", () => {
  it("before it could keep the answer, does not lose the grant: the old token is used again in the bank's grace", async () => {
    const connection = await connected();
    await askBank(await claimAndDie(connection));
    const before = world.bank.count(refreshes);
    await sweepRefreshes(replica, live);
    expect(world.bank.count(refreshes) - before).toBe(1);
    expect(await reread(connection)).toMatchObject({ state: "ACTIVE", tokenVersion: 2n });
    expect((await replica.wallet.refreshConnection(connection)).state).toBe("ACTIVE");
  });

  it("after it kept the answer, does not lose the grant: the journal is replayed without asking the bank", async () => {
    world.bank.behaviour.graceMs = 0;
    const connection = await connected();
    const flight = await claimAndDie(connection);
    const answer = await askBank(flight);
    const keep = () =>
      inTransaction(replica.deps.storage.db, (tx) =>
        journalAnswers(replica.deps.storage, tx, [{ flight, text: formatAnswer(answer), now: new Date() }]),
      );
    expect((await keep()).kept.size).toBe(1);
    // Once more, as after a commit whose confirmation was lost.
    expect((await keep()).kept.size).toBe(1);
    const before = world.bank.count(refreshes);
    await sweepRefreshes(replica, live);
    expect(world.bank.count(refreshes)).toBe(before);
    expect(await refreshTokenOf(connection)).toBe(answer.refreshToken);
    const journal = await replica.deps.storage.db.query.selectFrom("refresh_journal").selectAll().execute();
    expect(journal).toEqual([]);
    expect((await replica.wallet.refreshConnection(connection)).state).toBe("ACTIVE");
  });

  it("is not waited for longer than its lease by a caller", async () => {
    const connection = await connected();
    const seen = { seen: connection, holder: "dead", leaseMs: 300 };
    await claimFlight(replica.deps.storage.db.query, seen);
    expect((await replica.wallet.refreshConnection(connection)).state).toBe("ACTIVE");
    expect((await reread(connection)).tokenVersion).toBe(2n);
  });
});

describe("a database that goes away between the bank's success and our commit", () => {
  /** Takes it away once the bank works on the request, and gives it back after the bank has answered. */
  async function losesDatabase<T>(request: string, ask: () => Promise<T>): Promise<T> {
    const held = world.bank.holdNextToken();
    const before = world.bank.count(request);
    const asked = ask();
    await held.arrived;
    const giveBack = await world.database.takeAway();
    await held.letIn();
    // Time to find out that nothing can be stored.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await giveBack();
    const answer = await asked;
    expect(world.bank.count(request)).toBe(before + 1);
    return answer;
  }

  it("costs no refresh its tokens, although the bank gives them once", async () => {
    world.bank.behaviour.graceMs = 0;
    const connection = await connected();
    const refresh = () => replica.wallet.refreshConnection(connection);
    expect((await losesDatabase(refreshes, refresh)).state).toBe("ACTIVE");
    expect((await reread(connection)).tokenVersion).toBe(2n);
    expect((await refresh()).state).toBe("ACTIVE");
  });

  it("costs no user his consent", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const complete = () => replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    const { connection } = await losesDatabase("POST /oidc/token authorization_code", complete);
    expect(connection?.state).toBe("ACTIVE");
    expect(await connectUser(replica.wallet, user)).toBe(connection?.connectionId);
  });
});

describe("a lost answer", () => {
  it("is asked for again at once", async () => {
    const connection = await connected();
    world.bank.behaviour.losesTokenAnswers = 1;
    const before = world.bank.count(refreshes);
    expect((await replica.wallet.refreshConnection(connection)).state).toBe("ACTIVE");
    expect(world.bank.count(refreshes) - before).toBe(2);
  });

  it("twice in a row puts the refresh off for seconds, not for ever", async () => {
    const connection = await connected();
    world.bank.behaviour.losesTokenAnswers = 2;
    const failed = replica.wallet.refreshConnection(connection);
    await expect(failed).rejects.toMatchObject({ reason: "provider_unavailable", code: 14 });
    expect((await reread(connection)).state).toBe("ACTIVE");
    world.clock.advance(5_000);
    await sweepRefreshes(replica, live);
    expect(await reread(connection)).toMatchObject({ state: "ACTIVE", tokenVersion: 2n });
  });
});

describe("an overtaken flight", () => {
  it("lands nothing once another flight has the connection", async () => {
    const connection = await connected();
    const slow = await claimAndDie(connection);
    const answer = await askBank(slow);
    await replica.wallet.refreshConnection(connection);
    const kept = await refreshTokenOf(connection);
    const landed = await land(replica.deps, { flight: slow, answer, actor: jobActor("test"), startedMs: 0 });
    expect(landed).toBe(false);
    expect(await refreshTokenOf(connection)).toBe(kept);
  });

  it("of an older consent neither lands nor leaves an answer behind", async () => {
    const connection = await connected();
    const slow = await claimAndDie(connection);
    const answer = await askBank(slow);
    expect(await connectUser(replica.wallet, user)).toBe(connection.connectionId);
    const { storage } = replica.deps;
    const text = formatAnswer(answer);
    const late = [{ flight: slow, text, now: new Date() }];
    expect((await inTransaction(storage.db, (tx) => journalAnswers(storage, tx, late))).kept.size).toBe(0);
    const landed = await land(replica.deps, { flight: slow, answer, actor: jobActor("test"), startedMs: 0 });
    expect(landed).toBe(false);
    expect((await reread(connection)).tokenVersion).toBe(2n);
  });

  it("that holds new tokens undoes a refusal believed in the meantime", async () => {
    const connection = await connected();
    const slow = await claimAndDie(connection);
    const answer = await askBank(slow);
    const loser = await claimAndDie(connection);
    const now = new Date();
    const standing = { state: "EXPIRED", reason: "consent_ended" } as const;
    await inTransaction(replica.deps.storage.db, (tx) => abortFlight(tx, loser, { ...refusedAtOnce, standing, now }));
    expect((await reread(connection)).state).toBe("EXPIRED");
    const landed = await land(replica.deps, { flight: slow, answer, actor: jobActor("test"), startedMs: 0 });
    expect(landed).toBe(true);
    expect(await reread(connection)).toMatchObject({ state: "ACTIVE", stateReason: "" });
  });
});

describe("a connection whose answer was lost", () => {
  const standing = { state: "ACTIVE", reason: "" } as const;
  const lost = { outcome: "transient", standing, failures: 1, isUnsettled: true } as const;

  /** Fails a flight of a new connection, due again now; its id. */
  async function failed(end: Partial<FlightEnd>): Promise<string> {
    const now = world.clock.now();
    const flight = await claimAndDie(await connected());
    const { db } = replica.deps.storage;
    await inTransaction(db, (tx) => abortFlight(tx, flight, { ...lost, ...end, retryAt: now, now }));
    return flight.connectionId;
  }

  async function outOfTurn(): Promise<string[]> {
    const due = { now: world.clock.now(), limit: 10 };
    const claimed = await claimOutOfTurn(replica.deps.storage, { holder: "dead", leaseMs: 20_000 }, due);
    return claimed.map((flight) => flight.connectionId);
  }

  it("goes before what is merely due, four times, for the provider honours the old token a short while only", async () => {
    const ids: string[] = [];
    for (const end of [lost, { isUnsettled: false }, { failures: 4 }, { failures: 5 }]) {
      user = `user-${crypto.randomUUID()}`;
      ids.push(await failed(end));
    }
    expect((await outOfTurn()).toSorted()).toEqual([ids[0], ids[2]].toSorted());
    expect(await outOfTurn()).toEqual([]);
    // Nothing of it is left for the sweeps of other tests.
    const { query } = replica.deps.storage.db;
    const rested = { refresh_due_at: null, refresh_holder: null, refresh_lease_until: null };
    await query.updateTable("connections").set(rested).where("connection_id", "in", ids).execute();
  });
});

describe("a refusal that another flight's use of the token brought about", () => {
  it("is not believed when the answer comes to the journal at the last moment", async () => {
    world.bank.behaviour.graceMs = 0;
    const connection = await connected();
    const slow = await claimAndDie(connection);
    const answer = await askBank(slow);
    const held = world.bank.holdNextToken();
    const refused = replica.wallet.refreshConnection(connection);
    await held.arrived;
    const { storage } = replica.deps;
    // Unseen until it is committed, after the loser has been refused and has looked into the journal.
    await inTransaction(storage.db, async (tx) => {
      await journalAnswers(storage, tx, [{ flight: slow, text: formatAnswer(answer), now: new Date() }]);
      await held.letIn();
      await new Promise((resolve) => setTimeout(resolve, 500));
    });
    expect((await refused).state).toBe("ACTIVE");
    expect(await refreshTokenOf(connection)).toBe(answer.refreshToken);
    const told = storage.db.query.selectFrom("owner_notices").selectAll().where("user_id", "=", user);
    expect(await told.execute()).toEqual([]);
  });

  it("and was believed, is undone by the sweep when the answer's flight died with it in the journal", async () => {
    const connection = await connected();
    const slow = await claimAndDie(connection);
    const answer = await askBank(slow);
    const loser = await claimAndDie(connection);
    const standing = { state: "EXPIRED", reason: "consent_ended" } as const;
    const { storage } = replica.deps;
    const now = world.clock.now();
    await inTransaction(storage.db, (tx) => abortFlight(tx, loser, { ...refusedAtOnce, standing, now }));
    const late = [{ flight: slow, text: formatAnswer(answer), now }];
    await inTransaction(storage.db, (tx) => journalAnswers(storage, tx, late));
    const before = world.bank.count(refreshes);
    await sweepRefreshes(replica, live);
    expect(world.bank.count(refreshes)).toBe(before);
    expect(await reread(connection)).toMatchObject({ state: "ACTIVE", stateReason: "", tokenVersion: 2n });
    expect(await refreshTokenOf(connection)).toBe(answer.refreshToken);
  });
});

describe("refreshing ahead", () => {
  it("happens in the last fifth of the token's life, once over two replicas", async () => {
    const other = await world.startReplica();
    const connection = await connected();
    world.clock.advance(47 * 60_000);
    await sweepRefreshes(replica, live);
    expect((await reread(connection)).tokenVersion).toBe(1n);
    world.clock.advance(2 * 60_000);
    const before = { asked: world.bank.count(refreshes), claims: await claims() };
    await Promise.all([sweepRefreshes(replica, live), sweepRefreshes(other, live)]);
    expect(await reread(connection)).toMatchObject({ tokenVersion: 2n, refreshEpoch: 1n });
    // Connections of other tests are due as well: whatever was asked was claimed first, and one claim asks once.
    expect(world.bank.count(refreshes) - before.asked).toBe((await claims()) - before.claims);
    const after = world.bank.count(refreshes);
    await sweepRefreshes(replica, live);
    expect(await reread(connection)).toMatchObject({ tokenVersion: 2n, refreshEpoch: 1n });
    expect(world.bank.count(refreshes)).toBe(after);
  });

  it("stores a renewed wallet credential, which then works, without the user", async () => {
    const connection = await connected();
    world.bank.behaviour.renewsCredential = true;
    await replica.wallet.refreshConnection(connection);
    const renewed = await openForUse(replica.deps, connection, "wallet_credential", jobActor("test"));
    const lives = [...world.bank.liveCredentials];
    expect(renewed?.plaintext).toBe(lives.at(-1));
    world.bank.liveCredentials.clear();
    world.bank.liveCredentials.add(lives.at(-1) ?? "");
    expect((await replica.wallet.listCards(connection)).cards).toHaveLength(1);
  });

  it("brings a connection whose credential was revoked back when the bank renews it", async () => {
    const connection = await connected();
    world.bank.liveCredentials.clear();
    await expect(replica.wallet.listCards(connection)).rejects.toMatchObject({ reason: "reauthorization_required" });
    await replica.wallet.refreshConnection(connection);
    expect(await reread(connection)).toMatchObject({ state: "EXPIRED", stateReason: "credential_revoked" });
    world.bank.behaviour.renewsCredential = true;
    await replica.wallet.refreshConnection(connection);
    expect((await reread(connection)).state).toBe("ACTIVE");
    expect((await replica.wallet.listCards(connection)).cards).toHaveLength(1);
  });
});

describe("a wallet credential past its end", () => {
  it("is marked by the sweep, and refused at use without asking the bank", async () => {
    const connection = await connected();
    world.clock.advance(91 * dayMs);
    const before = world.bank.count("GET /api/wallet/cards");
    await expect(replica.wallet.listCards(connection)).rejects.toMatchObject({ reason: "reauthorization_required" });
    expect(await reread(connection)).toMatchObject({ state: "EXPIRED", stateReason: "credential_expired" });
    expect(world.bank.count("GET /api/wallet/cards")).toBe(before);
    user = `user-${crypto.randomUUID()}`;
    const next = await connected();
    world.clock.advance(91 * dayMs);
    await sweepCredentials(replica.deps, live);
    expect(await reread(next)).toMatchObject({ state: "EXPIRED", stateReason: "credential_expired" });
  });
});
