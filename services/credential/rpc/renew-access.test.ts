import { beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import type { ConnectionAccess, Connector } from "../connectors/connector.ts";
import { jobActor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { beginConnect } from "../flows/begin-connect.ts";
import { completeConnect } from "../flows/complete-connect.ts";
import { connectorOf } from "../flows/dependencies.ts";
import { endConsentByCallback } from "../flows/end-consent-by-callback.ts";
import { formatAnswer } from "../flows/journal-format.ts";
import { keepAnswers } from "../flows/keep-answers.ts";
import { createRefresher } from "../flows/refresh.ts";
import { land } from "../flows/refresh-landing.ts";
import { renewAccess } from "../flows/renew-access.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import { useAccess } from "../flows/use-access.ts";
import { sweepRefreshes } from "../jobs/sweep-refreshes.ts";
import { findConnection } from "../storage/connection-store.ts";
import { claimFlight } from "../storage/refresh-claims.ts";
import { releaseFlight } from "../storage/refresh-store.ts";
import { openSecret } from "../storage/secret-store.ts";
import { asOperator, asPhoneOf } from "../testing/credential-world.ts";
import {
  createPlaidWorld,
  type PlaidWorld,
  plaidRedirectUri,
  testCaller,
  untilHistory,
  visitPlaid,
} from "../testing/plaid-world.ts";
import { refreshOnlyConnector } from "../testing/refresh-only-connector.ts";

const invalidate = "/item/access_token/invalidate";
const live = new AbortController().signal;
const actor = jobActor("test");
let its: PlaidWorld;
let user: string;
let connection: Connection;
let oldToken: string;

setUp(async () => {
  its = await createPlaidWorld();
  return () => its.close();
});
beforeEach(async () => {
  user = `user-${crypto.randomUUID()}`;
  // What earlier tests have left is nobody's business here.
  await db()
    .updateTable("connections")
    .set({ state: "EXPIRED", state_reason: "consent_ended", has_access_token: false, refresh_due_at: null })
    .where("state", "<>", "REVOKED")
    .execute();
  await its.plaid.control("DELETE", "/faults");
  await its.plaid.control("DELETE", "/calls");
  connection = await its.connect(user);
  oldToken = await tokenOf(connection);
});

const deps = () => its.replica.deps;
const db = () => deps().storage.db.query;
const renew = () => its.replica.gateway.renewConnectorAccess({ connector: "plaid" }, asOperator);
const sweep = () => sweepRefreshes({ deps: deps(), refresher: its.replica.refresher }, live);

async function now(): Promise<Connection> {
  const found = await findConnection(db(), connection);
  if (found === undefined) throw new Error("the connection is gone");
  return found;
}

async function tokenOf(of: Connection): Promise<string> {
  const reader = { actor, now: new Date(), operation: "test" };
  return (await openSecret(deps().storage, of, "access_token", reader))?.plaintext ?? "";
}

/** Plaid's word about a token: the item it opens, or a code. */
async function itemOf(token: string): Promise<string> {
  const body = await (await its.plaid.post("/item/get", { access_token: token })).json();
  return body.item?.item_id ?? body.error_code;
}

/** Outcomes of the audit for the connection, the oldest first, with what is told beside them. */
async function told(): Promise<string[]> {
  const rows = await db()
    .selectFrom("audit_entries")
    .select(["outcome", "details"])
    .where("connection_id", "=", connection.connectionId)
    .where("action", "=", "token_refresh")
    .orderBy("sequence")
    .execute();
  return rows.map(({ outcome, details }) => `${outcome} ${details}`);
}

/** A rotation whose process has come as far as Plaid's answer, and no further; its lease has ended. */
async function rotatedAndDied(leaseMs = 1) {
  const flight = await claimFlight(db(), { seen: await now(), holder: "dead", leaseMs });
  if (flight === undefined) throw new Error("not claimed");
  const { new_access_token: accessToken } = await (await its.plaid.post(invalidate, { access_token: oldToken })).json();
  return { flight, answer: { accessToken: String(accessToken), accessTokenExpiresAt: undefined } };
}

async function bringHome({ flight, answer }: Awaited<ReturnType<typeof rotatedAndDied>>): Promise<void> {
  await keepAnswers(deps(), [{ flight, text: formatAnswer(answer), now: its.world.clock.now() }]);
  expect(await land(deps(), { flight, answer, actor, startedMs: 0 })).toBe(true);
}

/** The person, back from Plaid's page with nothing but the state. */
function comeBack(state: string) {
  return { owner: connection.owner, attempt: { state }, code: "link-session", iss: "", error: "" };
}

describe("an operator who has access renewed", () => {
  it("has each item's token replaced at Plaid, where the old one is dead, and everything else goes on", async () => {
    await untilHistory(its.plaid, connection.providerReference);
    await its.sync();
    expect(await renew()).toMatchObject({ connections: 1, nextPageToken: "" });
    await Promise.all([sweep(), sweep()]);
    const after = await now();
    expect(after).toMatchObject({ state: "ACTIVE", refreshOutcome: "refreshed", refreshHolder: undefined });
    expect(after.tokenVersion).toBe(connection.tokenVersion + 1n);
    expect(await itemOf(oldToken)).toBe("INVALID_ACCESS_TOKEN");
    expect(await itemOf(await tokenOf(after))).toBe(connection.providerReference);
    // The run goes on behind the cursor it had, with the new token.
    const path = { connector: "plaid", connectionId: connection.connectionId };
    await its.replica.gateway.syncUserConnection(path, asPhoneOf(user));
    await its.sync();
    const { runs } = await its.replica.gateway.listSyncHistory(path, asPhoneOf(user));
    expect(runs[0]).toMatchObject({ state: "succeeded", added: 0, removed: 0 });
    const { body } = await its.plaid.control("GET", `/calls?path=${invalidate}`);
    expect(body["calls"]).toHaveLength(1);
    // Nobody replaces it by himself after that.
    expect(await sweep()).toBe(0);
  });

  it("finds it in the audit: the order under his name, the new token in its owner's own trail", async () => {
    await renew();
    await sweep();
    expect(await told()).toEqual([expect.stringMatching(/^ok /)]);
    const orders = await db()
      .selectFrom("audit_entries")
      .select(["actor", "details"])
      .where("outcome", "=", "ordered")
      .execute();
    expect(orders).toContainEqual(expect.objectContaining({ actor: "operator:tester" }));
    expect(orders.at(-1)?.details).toMatch(/"connections":1\b/);
    expect(orders.at(-1)?.details).toContain('"connector":"plaid"');
  });

  it("has what was ordered in the audit also when he is gone before the end", async () => {
    const count = async () =>
      (await db().selectFrom("audit_entries").select("sequence").where("outcome", "=", "ordered").execute()).length;
    const before = await count();
    const gone = { ...testCaller(), signal: AbortSignal.abort() };
    const order = await renewAccess(deps(), { connector: "plaid", after: undefined }, gone);
    expect(order).toMatchObject({ connections: 1, next: { tenant: "wallet" } });
    expect(await count()).toBe(before + 1);
    await sweep();
  });

  it("has a connection renewed after a flight that brings it nothing", async () => {
    const flight = await claimFlight(db(), { seen: await now(), holder: "extension", leaseMs: 20_000 });
    if (flight === undefined) throw new Error("not claimed");
    expect(await renew()).toMatchObject({ connections: 1 });
    expect(await sweep()).toBe(0);
    await inTransaction(deps().storage.db, (tx) => releaseFlight(tx, flight));
    await sweep();
    expect(await now()).toMatchObject({ state: "ACTIVE", tokenVersion: connection.tokenVersion + 1n });
  });

  it("has the token of an item replaced that waits for its person, who is waited for all the same", async () => {
    const waiting = { state: "EXPIRED", stateReason: "consent_ended" } as const;
    await db()
      .updateTable("connections")
      .set({ state: waiting.state, state_reason: waiting.stateReason })
      .where("connection_id", "=", connection.connectionId)
      .execute();
    expect(await renew()).toMatchObject({ connections: 1 });
    await sweep();
    expect(await now()).toMatchObject({ ...waiting, tokenVersion: connection.tokenVersion + 1n });
    expect(await itemOf(await tokenOf(await now()))).toBe(connection.providerReference);
    const notices = await db().selectFrom("owner_notices").select("kind").where("user_id", "=", user).execute();
    expect(notices).toEqual([]);
  });

  it("is told where there is nothing to renew, goes on where a call has ended, and is nobody but an operator", async () => {
    const { gateway, wallet } = its.replica;
    await expect(gateway.renewConnectorAccess({ connector: "nobody" }, asOperator)).rejects.toMatchObject({
      reason: "connector_not_found",
    });
    const made = gateway.renewConnectorAccess({ connector: "plaid", pageToken: "made-up" }, asOperator);
    await expect(made).rejects.toMatchObject({ reason: "bad_request" });
    await expect(gateway.renewConnectorAccess({ connector: "plaid" })).rejects.toMatchObject({ code: 16 });
    await expect(wallet.renewConnectorAccess({ connector: "plaid" })).rejects.toMatchObject({ code: 7 });
    const own = { name: "basiq", displayName: "Basiq" };
    const tokenless = { ...deps(), connectors: new Map([["basiq", refreshOnlyConnector(own)]]) };
    const order = { connector: "basiq", after: undefined };
    await expect(renewAccess(tokenless, order, testCaller())).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
    const hurried = { ...testCaller(), timeoutMs: () => 1 };
    const first = await renewAccess(deps(), { connector: "plaid", after: undefined }, hurried);
    expect(first).toMatchObject({ connections: 1, next: { tenant: "wallet" } });
    const rest = await renewAccess(deps(), { connector: "plaid", after: first.next }, hurried);
    expect(rest).toEqual({ connections: 0, next: undefined });
    await sweep();
  });
});

describe("a token whose replacement goes wrong", () => {
  it("stays what it was while Plaid is down, and is replaced by itself once it answers", async () => {
    await its.plaid.control("POST", "/faults", { path: invalidate, kind: "server_error", status: 503, times: 2 });
    await renew();
    await sweep();
    expect(await now()).toMatchObject({ state: "ACTIVE", refreshOutcome: "transient" });
    expect(await itemOf(oldToken)).toBe(connection.providerReference);
    its.world.clock.advance(60_000);
    await sweep();
    expect(await itemOf(await tokenOf(await now()))).toBe(connection.providerReference);
    expect(await itemOf(oldToken)).toBe("INVALID_ACCESS_TOKEN");
  });

  it("stays what it was at a replica where Plaid is not set up, and is replaced by one that has it", async () => {
    await renew();
    const without = { ...deps(), connectors: new Map() };
    await sweepRefreshes({ deps: without, refresher: createRefresher(without, { holder: "without-plaid" }) }, live);
    expect(await now()).toMatchObject({ state: "ACTIVE", stateReason: "", refreshOutcome: "misconfigured" });
    its.world.clock.advance(3_600_000);
    await sweep();
    expect(await now()).toMatchObject({ state: "ACTIVE", refreshOutcome: "refreshed" });
  });

  it.each([
    { kind: "html", afterEffect: true },
    { kind: "html", status: 200, afterEffect: true },
    { kind: "empty", afterEffect: true },
  ])("is told as lost, not as refused, when the answer is %j", async (fault) => {
    await its.plaid.control("POST", "/faults", { path: invalidate, ...fault });
    await renew();
    await sweep();
    expect((await told()).at(-1)).toMatch(/^reauth_required .*"reason":"answer_lost"/);
  });

  it("is brought home from the journal when the process died before it was the connection's own", async () => {
    const { flight, answer } = await rotatedAndDied();
    await keepAnswers(deps(), [{ flight, text: formatAnswer(answer), now: its.world.clock.now() }]);
    await sweep();
    expect(await now()).toMatchObject({ state: "ACTIVE", tokenVersion: connection.tokenVersion + 1n });
    expect(await tokenOf(await now())).toBe(answer.accessToken);
  });

  it("is revoked where the connection was ended before the answer came", async () => {
    const { flight, answer } = await rotatedAndDied(20_000);
    await its.replica.gateway.disconnectUserConnection({ connectionId: connection.connectionId }, asPhoneOf(user));
    // Plaid knew the old token no more, and so the item lives on.
    expect(await itemOf(answer.accessToken)).toBe(connection.providerReference);
    await keepAnswers(deps(), [{ flight, text: formatAnswer(answer), now: its.world.clock.now() }]);
    its.world.clock.advance(3_600_000);
    await sweepRevocations(deps(), live);
    expect(await itemOf(answer.accessToken)).toMatch(/^(ITEM_NOT_FOUND|INVALID_ACCESS_TOKEN)$/);
  });

  it("does not end the consent for a use that was under way meanwhile, which goes on with the new one", async () => {
    const { flight, answer } = await rotatedAndDied(20_000);
    const parts = { deps: deps(), refresher: its.replica.refresher };
    const use = useAccess(parts, {
      connection,
      caller: testCaller(),
      run: (connector, access) => connector.listAccounts(access, { now: new Date(), timeoutMs: 5_000 }),
    });
    // Refused by now, and waiting.
    await expect
      .poll(async () => (await its.plaid.control("GET", "/calls?path=/accounts/get")).body["calls"])
      .toContainEqual(expect.objectContaining({ status: 400 }));
    await bringHome({ flight, answer });
    expect(await use).toHaveLength(3);
    expect(await now()).toMatchObject({ state: "ACTIVE", stateReason: "" });
    const notices = await db().selectFrom("owner_notices").select("kind").where("user_id", "=", user).execute();
    expect(notices).toEqual([]);
  });

  it("is waited for by nobody longer than he has time, who is not told of a refusal", async () => {
    await rotatedAndDied(20_000);
    const parts = { deps: deps(), refresher: its.replica.refresher };
    const run = (connector: Connector, access: ConnectionAccess) =>
      connector.listAccounts(access, { now: new Date(), timeoutMs: 5_000 });
    const hurried = { ...testCaller(), timeoutMs: () => 50 };
    await expect(useAccess(parts, { connection, caller: hurried, run })).rejects.toMatchObject({
      reason: "PROVIDER_UNAVAILABLE",
    });
    const gone = { ...testCaller(), signal: AbortSignal.abort() };
    await expect(useAccess(parts, { connection, caller: gone, run })).rejects.toMatchObject({
      failure: "grant_refused",
    });
    expect(await now()).toMatchObject({ state: "ACTIVE" });
  });

  it("makes nobody link anew who renews his consent meanwhile: that waits for the new token", async () => {
    const { flight, answer } = await rotatedAndDied(20_000);
    const { owner, institutionId, connectionId } = connection;
    const command = { owner, connector: "plaid", institutionId, connectionId, redirectUri: plaidRedirectUri };
    const hurried = { ...testCaller(), timeoutMs: () => 60 };
    await expect(beginConnect(deps(), command, hurried)).rejects.toMatchObject({ reason: "PROVIDER_UNAVAILABLE" });
    const begun = beginConnect(deps(), command, testCaller());
    await bringHome({ flight, answer });
    await visitPlaid((await begun).authUrl ?? "", null);
    await completeConnect(deps(), comeBack((await begun).state), testCaller());
    expect(await now()).toMatchObject({ state: "ACTIVE", providerReference: connection.providerReference });
  });

  it.each([
    ["ordered", renew],
    ["replaced", () => renew().then(sweep)],
    ["being replaced", async () => void setTimeout(bringHome, 150, await rotatedAndDied(20_000))],
  ])(
    "is neither forgotten nor undone by a consent renewed with the old one, when %s meanwhile",
    async (_, meanwhile) => {
      const { owner, institutionId, connectionId } = connection;
      const command = { owner, connector: "plaid", institutionId, connectionId, redirectUri: plaidRedirectUri };
      const begun = await beginConnect(deps(), command, testCaller());
      await visitPlaid(begun.authUrl ?? "", null);
      const plaid = connectorOf(deps(), connection);
      // Between Plaid's word on the item and what is stored of it.
      const complete: Connector["complete"] = async (answer, call) => {
        const grant = await plaid.complete(answer, call);
        await meanwhile();
        return grant;
      };
      const slow = { ...deps(), connectors: new Map([["plaid", { ...plaid, complete }]]) };
      await completeConnect(slow, comeBack(begun.state), testCaller());
      expect(await now()).toMatchObject({ state: "ACTIVE", generation: connection.generation + 1 });
      await sweep();
      expect(await itemOf(await tokenOf(await now()))).toBe(connection.providerReference);
      expect(await itemOf(oldToken)).toBe("INVALID_ACCESS_TOKEN");
    },
  );

  it("is gone when the process died before it kept the answer: no revocation is told, but its person has to come", async () => {
    await rotatedAndDied();
    await sweep();
    expect(await now()).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
    expect((await told()).at(-1)).toMatch(/^reauth_required .*"reason":"answer_lost"/);
    // There is nothing left to renew.
    expect(await renew()).toMatchObject({ connections: 0 });
  });

  it("is gone when its answer was lost: its person is told, links anew, and has one connection with nothing twice", async () => {
    await untilHistory(its.plaid, connection.providerReference);
    await its.sync();
    await its.plaid.control("POST", "/faults", { path: invalidate, kind: "lost_answer" });
    await renew();
    await sweep();
    expect(await now()).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
    expect((await told()).at(-1)).toMatch(/^reauth_required .*"reason":"answer_lost"/);
    const notices = await db().selectFrom("owner_notices").select("kind").where("user_id", "=", user).execute();
    expect(notices).toEqual([{ kind: "reauthorization_required" }]);

    const { institutionId, connectionId } = connection;
    const link = { connector: "plaid", institutionId, connectionId };
    const begun = await its.replica.gateway.linkConnector(link, asPhoneOf(user));
    const query = await visitPlaid(begun.authUrl ?? "", null);
    const ended = await endConsentByCallback(deps(), { connector: "plaid", query }, testCaller());
    if (!("connection" in ended.outcome)) throw ended.outcome.error;
    const after = await now();
    expect(after).toMatchObject({ state: "ACTIVE", connectionId: ended.outcome.connection.connectionId });
    expect(after.providerReference).not.toBe(connection.providerReference);
    await untilHistory(its.plaid, after.providerReference);
    await its.sync();
    // Plaid names accounts and transactions anew.
    const rows = await db()
      .selectFrom("provider_transactions")
      .select("account_id")
      .where("user_id", "=", user)
      .execute();
    expect(rows.length).toBeGreaterThan(100);
    expect(new Set(rows.map((row) => row.account_id)).size).toBeLessThanOrEqual(3);
    const { connections } = await its.replica.gateway.listUserConnections({}, asPhoneOf(user));
    expect(connections).toHaveLength(1);
  });
});
