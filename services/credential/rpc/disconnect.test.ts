import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { jobActor } from "../domain/audit.ts";
import { beginConnect } from "../flows/begin-connect.ts";
import { connectorNamed, detachedCall } from "../flows/dependencies.ts";
import { formatAnswer } from "../flows/journal-format.ts";
import { keepAnswers } from "../flows/keep-answers.ts";
import { openForUse } from "../flows/open-for-use.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import { storeGrant } from "../flows/store-grant.ts";
import { sweepAttempts } from "../jobs/sweep-attempts.ts";
import { consumeAttempt, openAttempt } from "../storage/attempt-store.ts";
import { findConnection } from "../storage/connection-store.ts";
import { claimFlight } from "../storage/refresh-claims.ts";
import {
  asOperator,
  type CredentialWorld,
  connectUser,
  consentAtBank,
  createCredentialWorld,
  ownerNamed,
  type Replica,
  redirectUri,
} from "../testing/credential-world.ts";
import { testCaller } from "../testing/plaid-world.ts";
import { visitBank } from "../testing/visit-bank.ts";

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
  Object.assign(world.bank.behaviour, { isDown: false, renewsCredential: false });
});

async function secretRows(): Promise<number> {
  const db = replica.deps.storage.db.query;
  const secrets = await db.selectFrom("connection_secrets").select("purpose").where("user_id", "=", user).execute();
  const revocations = await db.selectFrom("revocations").select("cause").where("user_id", "=", user).execute();
  return secrets.length + revocations.length;
}

describe("disconnecting", () => {
  it("revokes credential and tokens at the bank and destroys the secrets", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const [credential = ""] = [...world.bank.liveCredentials].slice(-1);
    const before = world.bank.count("POST /oidc/token/revocation refresh_token");
    expect(await replica.wallet.disconnect(call)).toMatchObject({ revokedAtProvider: true });
    expect(world.bank.liveCredentials.has(credential)).toBe(false);
    expect(world.bank.count("POST /oidc/token/revocation refresh_token") - before).toBe(1);
    expect(await secretRows()).toBe(0);
    for (const read of [() => replica.wallet.getConnection(call), () => replica.wallet.listCards(call)]) {
      await expect(read()).rejects.toMatchObject({ reason: "connection_not_found" });
    }
    expect((await replica.wallet.listConnections({ owner: call.owner })).connections).toEqual([]);
  });

  it("repeated succeeds", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const answers = await Promise.all([replica.wallet.disconnect(call), replica.wallet.disconnect(call)]);
    expect(answers.some((answer) => answer.revokedAtProvider)).toBe(true);
    expect(await replica.wallet.disconnect(call)).toMatchObject({ revokedAtProvider: true });
  });

  it("at a bank that is down ends reading at once, and the bank is asked until it confirms", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const [credential = ""] = [...world.bank.liveCredentials].slice(-1);
    world.bank.behaviour.isDown = true;
    expect(await replica.wallet.disconnect(call)).toMatchObject({ revokedAtProvider: false });
    await expect(replica.wallet.listAccounts(call)).rejects.toMatchObject({ reason: "connection_not_found" });
    expect(await replica.wallet.disconnect(call)).toMatchObject({ revokedAtProvider: false });
    world.clock.advance(60_000);
    expect(await sweepRevocations(replica.deps, live)).toBe(0);
    world.bank.behaviour.isDown = false;
    world.clock.advance(3_600_000);
    expect(await sweepRevocations(replica.deps, live)).toBe(1);
    expect(world.bank.liveCredentials.has(credential)).toBe(false);
    expect(await secretRows()).toBe(0);
    expect(await replica.wallet.disconnect(call)).toMatchObject({ revokedAtProvider: true });
  });

  it("during a refresh revokes what the bank answers to it as well", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const others = world.bank.liveCredentials.size - 1;
    world.bank.behaviour.renewsCredential = true;
    const held = world.bank.holdNextToken();
    const refreshed = replica.wallet.refreshConnection(call).catch((error: unknown) => error);
    await held.arrived;
    world.bank.behaviour.isDown = true;
    await replica.wallet.disconnect(call);
    world.bank.behaviour.isDown = false;
    void held.letIn();
    expect(await refreshed).toMatchObject({ reason: "connection_not_found" });
    await replica.refresher.idle();
    expect(world.bank.liveCredentials.size).toBe(others + 2);
    world.clock.advance(3_600_000);
    expect(await sweepRevocations(replica.deps, live)).toBe(2);
    expect(world.bank.liveCredentials.size).toBe(others);
    expect(await secretRows()).toBe(0);
  });

  it("after an answer was journaled revokes that answer too", async () => {
    const key = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const others = world.bank.liveCredentials.size - 1;
    const { deps } = replica;
    const seen = await findConnection(deps.storage.db.query, key);
    const claim = { holder: "dead", leaseMs: 20_000 };
    const flight = seen && (await claimFlight(deps.storage.db.query, { seen, ...claim }));
    const token = seen && (await openForUse(deps, seen, "refresh_token", jobActor("test")));
    if (flight === undefined || token === undefined) throw new Error("no flight");
    world.bank.behaviour.renewsCredential = true;
    const request = { institutionId: "north-bank", refreshToken: token.plaintext, providerReference: "" };
    const answer = await connectorNamed(deps, "bsim").refresh?.(request, detachedCall(deps));
    if (answer === undefined) throw new Error("no answer");
    const kept = await keepAnswers(deps, [{ flight, text: formatAnswer(answer), now: world.clock.now() }]);
    expect([kept.size, world.bank.liveCredentials.size]).toEqual([1, others + 2]);
    expect(await replica.wallet.disconnect(key)).toMatchObject({ revokedAtProvider: true });
    expect(world.bank.liveCredentials.size).toBe(others);
  });

  it("while its consent is being renewed makes no other connection, and revokes the grant", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const others = world.bank.liveCredentials.size - 1;
    const consent = { connector: "bsim", institutionId: "north-bank", redirectUri, connectionId: call.connectionId };
    const begun = await beginConnect(replica.deps, { owner: call.owner, ...consent }, testCaller());
    const answer = await visitBank(begun.authUrl ?? "", redirectUri);
    const held = world.bank.holdNextToken();
    const completed = replica.wallet.completeConnect({ owner: call.owner, ...answer }).catch((error: unknown) => error);
    await held.arrived;
    await replica.wallet.disconnect(call);
    void held.letIn();
    expect(await completed).toMatchObject({ reason: "provider_unavailable" });
    expect((await replica.wallet.listConnections({ owner: call.owner })).connections).toEqual([]);
    await sweepRevocations(replica.deps, live);
    expect(world.bank.liveCredentials.size).toBe(others);
  });

  it("and connecting again makes a new connection", async () => {
    const connectionId = await connectUser(replica.wallet, user);
    await replica.wallet.disconnect({ owner: ownerNamed(user), connectionId });
    expect(await connectUser(replica.wallet, user)).not.toBe(connectionId);
  });
});

describe("another owner's connection", () => {
  it("answers exactly like one that does not exist, on every method", async () => {
    const connectionId = await connectUser(replica.wallet, user);
    const amount = { currency: "CAD", minorUnits: 100n };
    const before = world.bank.record.requests.length;
    const mallory = { tenant: "wallet", userId: "mallory" };
    const firm = { tenant: "firm-1", userId: user };
    for (const owner of [mallory, firm]) {
      for (const id of [connectionId, crypto.randomUUID(), "no-uuid", "x".repeat(5000)]) {
        const call = { owner, connectionId: id };
        const { wallet } = replica;
        const asked = [
          wallet.getConnection(call),
          wallet.listCards(call),
          wallet.listAccounts(call),
          wallet.refreshConnection(call),
          wallet.disconnect(call),
          wallet.revokeCardToken({ ...call, tokenId: "t" }),
          wallet.requestCardToken({ ...call, cardRef: "card-1", merchantId: "m", amount }),
        ];
        for (const answer of await Promise.allSettled(asked)) {
          expect(answer).toMatchObject({ reason: { reason: "connection_not_found", code: 5 } });
        }
      }
    }
    expect(world.bank.record.requests.length).toBe(before);
    expect((await replica.wallet.getConnection({ owner: ownerNamed(user), connectionId })).state).toBe("ACTIVE");
  });
});

describe("a grant whose storing was confirmed to nobody", () => {
  it("is found when it is stored again, and not taken for one that came too late", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const { deps } = replica;
    const work = { owner: ownerNamed(user), state: answer.state, code: answer.code, now: world.clock.now() };
    const taken = await inTransaction(deps.storage.db, (tx) => consumeAttempt(deps.storage, tx, work));
    if (taken === undefined) throw new Error("no attempt");
    const attempt = await openAttempt(deps.storage, taken, { actor: jobActor("test"), now: world.clock.now() });
    const given = { ...answer, ...attempt, userReference: "" };
    const grant = await connectorNamed(deps, "bsim").complete(given, detachedCall(deps));
    const store = () => storeGrant(deps, { attempt, grant, durationMs: 0, actor: jobActor("test") });
    const [first, again] = [await store(), await store()];
    expect(again.connectionId).toBe(first.connectionId);
    expect(await sweepRevocations(deps, live)).toBe(0);
    expect((await replica.wallet.refreshConnection(first)).state).toBe("ACTIVE");
  });
});

describe("a process that dies between the exchange and storing what it brought", () => {
  async function dieAfterTakingTheState(
    institutionId = "north-bank",
  ): Promise<{ code: string; exchange(): Promise<string | undefined> }> {
    const answer = await consentAtBank(replica.wallet, user, institutionId);
    const { deps } = replica;
    const work = { owner: ownerNamed(user), state: answer.state, code: answer.code, now: world.clock.now() };
    const taken = await inTransaction(deps.storage.db, (tx) => consumeAttempt(deps.storage, tx, work));
    if (taken === undefined) throw new Error("no attempt");
    const attempt = await openAttempt(deps.storage, taken, { actor: jobActor("test"), now: world.clock.now() });
    const { redirectUri, proofs } = attempt;
    return {
      code: answer.code,
      exchange: async () => {
        const given = { ...answer, institutionId, redirectUri, proofs, userReference: "" };
        const grant = await connectorNamed(deps, "bsim").complete(given, detachedCall(deps));
        return grant.refreshToken;
      },
    };
  }

  it("has the bank revoke what it issued, by sending the used code again", async () => {
    const dead = await dieAfterTakingTheState();
    const refreshToken = (await dead.exchange()) ?? "";
    world.clock.advance(120_000);
    expect(await sweepAttempts(replica.deps, live)).toBe(1);
    const grant = { institutionId: "north-bank", refreshToken, providerReference: "" };
    const orphan = connectorNamed(replica.deps, "bsim").refresh?.(grant, detachedCall(replica.deps));
    await expect(orphan).rejects.toMatchObject({ failure: "grant_refused" });
    expect(await sweepAttempts(replica.deps, live)).toBe(0);
  });

  it("before the bank saw the code, has what that code brings revoked", async () => {
    await dieAfterTakingTheState();
    world.clock.advance(120_000);
    const before = world.bank.liveCredentials.size;
    await sweepAttempts(replica.deps, live);
    expect(world.bank.liveCredentials.size).toBe(before + 1);
    expect(await sweepRevocations(replica.deps, live)).toBe(1);
    expect(world.bank.liveCredentials.size).toBe(before);
    expect((await replica.wallet.listConnections({ owner: ownerNamed(user) })).connections).toEqual([]);
  });

  it("at a bank that is gone holds up no other bank's clean-up, and is given up after a day", async () => {
    const statusOf = async (userId: string) => {
      const query = replica.deps.storage.db.query.selectFrom("connect_attempts").select("status");
      return (await query.where("user_id", "=", userId).executeTakeFirstOrThrow()).status;
    };
    world.banks.set("gone-bank", { ...world.bank.bank, bankId: "gone-bank" });
    await replica.gateway.putProviderClient({ id: "gone-bank", ...world.bank.client }, asOperator);
    const stuck = Array.from({ length: 20 }, (_, count) => `stuck-${count}`);
    for (user of stuck) await dieAfterTakingTheState("gone-bank");
    world.banks.delete("gone-bank");
    world.clock.advance(1_000);
    user = "behind-the-stuck";
    await dieAfterTakingTheState();
    world.clock.advance(120_000);
    expect(await sweepAttempts(replica.deps, live)).toBe(20);
    expect(await sweepAttempts(replica.deps, live)).toBe(1);
    expect(await statusOf("behind-the-stuck")).toBe("cleaned");
    expect(await statusOf("stuck-0")).toBe("exchanging");
    world.clock.advance(86_400_000);
    await sweepAttempts(replica.deps, live);
    expect(await statusOf("stuck-0")).toBe("cleaned");
  });

  it("leaves a working connection to the same bank alone", async () => {
    const connectionId = await connectUser(replica.wallet, user);
    const dead = await dieAfterTakingTheState();
    await dead.exchange();
    world.clock.advance(120_000);
    await sweepAttempts(replica.deps, live);
    const call = { owner: ownerNamed(user), connectionId };
    expect((await replica.wallet.refreshConnection(call)).state).toBe("ACTIVE");
  });
});
