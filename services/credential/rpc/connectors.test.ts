import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { sql } from "kysely";
import { beforeEach, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";
import { startTracing } from "../../platform/telemetry/tracing.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { endConsentByCallback } from "../flows/end-consent-by-callback.ts";
import { openForUse } from "../flows/open-for-use.ts";
import { readAccounts } from "../flows/read-accounts.ts";
import { findConnection, lockConnection, setStanding } from "../storage/connection-store.ts";
import { claimRun, requeueRun } from "../storage/sync-run-store.ts";
import { asOperator, asPhoneOf, ownerNamed, testAddresses } from "../testing/credential-world.ts";
import { createPlaidWorld, type PlaidWorld, testCaller, untilHistory, visitPlaid } from "../testing/plaid-world.ts";

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

const api = () => its.replica.gateway;
const me = () => asPhoneOf(user);

/** Connects by the hosted page and our own callback, as a phone's browser does. */
async function connected(): Promise<{ connector: string; connectionId: string }> {
  const begun = await api().linkConnector({ connector: "plaid" }, me());
  const query = await visitPlaid(begun.authUrl ?? "");
  const ended = await endConsentByCallback(its.replica.deps, { connector: "plaid", query }, testCaller());
  if (!("connection" in ended.outcome)) throw ended.outcome.error;
  const { connectionId, providerReference } = ended.outcome.connection;
  await untilHistory(its.plaid, providerReference);
  await its.sync();
  return { connector: "plaid", connectionId };
}

async function itemOf(connectionId: string): Promise<string> {
  const key = { owner: ownerNamed(user), connectionId };
  return `/items/${(await findConnection(its.replica.deps.storage.db.query, key))?.providerReference}`;
}

/** How often Plaid was asked for accounts. */
async function accountCalls(): Promise<number> {
  const { body } = await its.plaid.control("GET", "/calls?path=/accounts/get");
  return (body["calls"] as unknown[]).length; // the sandbox's own list
}

describe("linking", () => {
  it("names the providers and their institutions", async () => {
    const { connectors } = await api().listConnectors({}, me());
    expect(connectors).toContainEqual(expect.objectContaining({ connector: "plaid", hasTransactions: true }));
    const { institutions } = await api().listInstitutions({ connector: "plaid" }, me());
    expect(institutions.map((each) => each.name)).toContain("First Platypus Bank");
    const nobody = api().listInstitutions({ connector: "nobody" }, me());
    await expect(nobody).rejects.toMatchObject({ reason: "connector_not_found" });
  });

  it("gives link token and page, and sends people only to addresses that are registered, as a whole", async () => {
    const begun = await api().linkConnector({ connector: "plaid", returnUrl: testAddresses.returnUrls[1] ?? "" }, me());
    expect(begun.linkToken).toMatch(/^link-/);
    expect(begun.expiresAt && timestampDate(begun.expiresAt).getTime()).toBeGreaterThan(
      its.world.clock.now().getTime(),
    );
    for (const returnUrl of ["http://elsewhere.example/", `${testAddresses.returnUrls[0]}/more`]) {
      const stray = api().linkConnector({ connector: "plaid", returnUrl }, me());
      await expect(stray).rejects.toMatchObject({ reason: "bad_request" });
    }
  });

  it("is for phones: without a token, and for services, there is nothing", async () => {
    await expect(api().linkConnector({ connector: "plaid" })).rejects.toMatchObject({ code: 16 });
    await expect(its.replica.wallet.linkConnector({ connector: "plaid" })).rejects.toMatchObject({ code: 7 });
  });

  it("ends by a public token too, with accounts and institution, and no token in the answer", async () => {
    const begun = await api().linkConnector({ connector: "plaid" }, me());
    const publicToken = (await visitPlaid(begun.authUrl ?? "")).get("public_token") ?? "";
    const answer = await api().exchangePublicToken({ publicToken }, me());
    expect(answer).toMatchObject({ success: true, institution: { name: "First Platypus Bank" } });
    expect(answer.accounts).toHaveLength(3);
    expect(JSON.stringify(answer, (_, value) => (typeof value === "bigint" ? `${value}` : value))).not.toMatch(
      /access-|item/i,
    );
    const again = api().exchangePublicToken({ publicToken }, me());
    await expect(again).rejects.toMatchObject({ reason: "invalid_state" });
  });

  it("tells whoever waits that the provider is to be left alone, and for how long", async () => {
    const limit = (path: string) =>
      its.plaid.control("POST", "/faults", { kind: "rate_limit", path, retryAfterSeconds: 90, times: 9 });
    const refused = { code: GrpcCode.RESOURCE_EXHAUSTED, reason: "provider_rate_limited" };
    await limit("/link/token/create");
    await expect(api().linkConnector({ connector: "plaid" }, me())).rejects.toMatchObject(refused);
    await limit("/institutions/get");
    await expect(api().listInstitutions({ connector: "plaid" }, me())).rejects.toMatchObject(refused);
    await its.plaid.control("DELETE", "/faults");
    const comeBack = async () => {
      const begun = await api().linkConnector({ connector: "plaid" }, me());
      return await visitPlaid(begun.authUrl ?? "");
    };
    const [byToken, byCallback] = [await comeBack(), await comeBack()];
    await limit("/item/public_token/exchange");
    const publicToken = byToken.get("public_token") ?? "";
    await expect(api().exchangePublicToken({ publicToken }, me())).rejects.toMatchObject(refused);
    const callback = { connector: "plaid", query: byCallback };
    const { outcome } = await endConsentByCallback(its.replica.deps, callback, testCaller());
    expect(outcome).toMatchObject({ error: { reason: "PROVIDER_RATE_LIMITED", facts: { retryAfterSeconds: 90 } } });
  });

  it("leaves neither code nor token in traces, nor does a sync", async () => {
    const exported: string[] = [];
    const collector = createServer(async (request, response) => {
      exported.push(await text(request));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const { port } = collector.address() as AddressInfo; // a TCP server that listens
    const endpoint = `http://127.0.0.1:${port}/v1/traces`;
    const tracing = startTracing({ service: "credential", endpoint, sampleRatio: 1 });
    const tell = async () => {
      const begun = await api().linkConnector({ connector: "plaid" }, me());
      const publicToken = (await visitPlaid(begun.authUrl ?? "")).get("public_token") ?? "";
      const { connectionId } = await api().exchangePublicToken({ publicToken }, me());
      await api().syncUserConnection({ connectionId }, me());
      await its.sync();
      return { connectionId, publicToken, linkToken: begun.linkToken ?? "" };
    };
    const { connectionId, publicToken, linkToken } = await tell().finally(async () => {
      await tracing.stop();
      await new Promise((resolve) => collector.close(resolve));
    });
    const { deps } = its.replica;
    const connection = await findConnection(deps.storage.db.query, { owner: ownerNamed(user), connectionId });
    if (connection === undefined) throw new Error("no connection");
    const accessToken = (await openForUse(deps, connection, "access_token", testCaller().actor))?.plaintext ?? "";
    const traces = exported.join("");
    for (const method of ["LinkConnector", "ExchangePublicToken", "SyncUserConnection"])
      expect(traces).toContain(method);
    for (const secret of [publicToken, accessToken, linkToken, "secret-of-the-test"]) {
      expect(secret.length).toBeGreaterThan(8);
      expect(traces).not.toContain(secret);
    }
  });

  it("by a public token needs a consent the same person began", async () => {
    const begun = await api().linkConnector({ connector: "plaid" }, me());
    const publicToken = (await visitPlaid(begun.authUrl ?? "")).get("public_token") ?? "";
    const stolen = api().exchangePublicToken({ publicToken }, asPhoneOf("mallory"));
    await expect(stolen).rejects.toMatchObject({ reason: "invalid_state" });
    const made = api().exchangePublicToken({ publicToken: "public-sandbox-made-up" }, me());
    await expect(made).rejects.toMatchObject({ code: 14 });
  });

  it("renews a consent in place: the same connection, working again", async () => {
    const { connectionId } = await connected();
    await its.plaid.control("POST", `${await itemOf(connectionId)}/login-required`);
    await api().syncUserConnection({ connectionId }, me());
    await its.sync();
    const waiting = await api().getUserConnection({ connectionId }, me());
    expect(waiting).toMatchObject({ state: "EXPIRED", action: "reconnect" });
    const sync = api().syncUserConnection({ connectionId }, me());
    await expect(sync).rejects.toMatchObject({ reason: "reauthorization_required" });
    const begun = await api().linkConnector({ connector: "plaid", connectionId }, me());
    expect(begun.connectionId).toBe(connectionId);
    const query = await visitPlaid(begun.authUrl ?? "", null);
    const ended = await endConsentByCallback(its.replica.deps, { connector: "plaid", query }, testCaller());
    expect(ended.outcome).toMatchObject({ connection: { connectionId, state: "ACTIVE" } });
    expect((await api().listUserConnections({}, me())).connections).toHaveLength(1);
  });
});

describe("a user's connections", () => {
  it("are listed with institution, state and last sync", async () => {
    const { connectionId } = await connected();
    const { connections } = await api().listUserConnections({}, me());
    expect(connections).toMatchObject([{ connectionId, state: "ACTIVE", institutionName: "First Platypus Bank" }]);
    expect(connections[0]?.lastSyncAt).toBeDefined();
  });

  it("have one status, told alike by the API and to operators: connected, syncing, error, expired", async () => {
    const { connectionId } = await connected();
    const { db } = its.replica.deps.storage;
    const key = { owner: ownerNamed(user), connectionId };
    const now = its.world.clock.now();
    const status = async () => {
      const { connections } = await api().listUserConnections({}, me());
      const viewed = "select status from connector_connections where id = $1";
      const told = [
        connections[0]?.status,
        (await api().getUserConnection({ connectionId }, me())).status,
        (await db.pool.query(viewed, [connectionId])).rows[0]?.status,
      ];
      return [...new Set(told)];
    };
    expect(await status()).toEqual(["connected"]);
    await api().syncUserConnection({ connectionId }, me());
    expect(await status()).toEqual(["connected"]);
    const run = await claimRun(db.query, { now, holder: "busy", leaseMs: 60_000 });
    if (run?.connectionId !== connectionId) throw new Error("another run");
    expect(await status()).toEqual(["syncing"]);
    await requeueRun(db.query, { run, holder: "busy" }, { error: "", dueAt: now, now });
    await inTransaction(db, async (tx) => {
      const held = await lockConnection(tx, key);
      if (held === undefined) throw new Error("no connection");
      await setStanding(tx, held, { state: "ERROR", reason: "provider_unavailable" }, now);
    });
    expect(await status()).toEqual(["error"]);
    await its.plaid.control("POST", `${await itemOf(connectionId)}/login-required`);
    await its.sync();
    expect(await status()).toEqual(["expired"]);
  });

  it("are found by nobody else, under no other provider, and not once they are disconnected", async () => {
    const own = await connected();
    const { connectionId } = own;
    const asked = [
      (call: typeof own, as: ReturnType<typeof me>) => api().listConnectionAccounts(call, as),
      (call: typeof own, as: ReturnType<typeof me>) => api().listConnectionTransactions(call, as),
      (call: typeof own, as: ReturnType<typeof me>) => api().getUserConnection(call, as),
      (call: typeof own, as: ReturnType<typeof me>) => api().syncUserConnection(call, as),
      (call: typeof own, as: ReturnType<typeof me>) => api().refreshUserConnection(call, as),
      (call: typeof own, as: ReturnType<typeof me>) => api().listConnectionAudit(call, as),
      (call: typeof own, as: ReturnType<typeof me>) => api().listSyncHistory(call, as),
      (call: typeof own, as: ReturnType<typeof me>) => api().disconnectUserConnection(call, as),
    ];
    const gone = { reason: "connection_not_found", code: 5 };
    for (const ask of asked) {
      await expect(ask(own, asPhoneOf("mallory"))).rejects.toMatchObject(gone);
      await expect(ask({ ...own, connectionId: "no-id" }, me())).rejects.toMatchObject(gone);
    }
    const foreign = api().listConnectionAccounts({ ...own, connector: "bsim" }, me());
    await expect(foreign).rejects.toMatchObject(gone);
    const ended = await api().disconnectUserConnection({ connectionId }, me());
    expect(ended).toMatchObject({ success: true, revokedAtProvider: true });
    for (const ask of asked) await expect(ask(own, me())).rejects.toMatchObject(gone);
  });

  it("keep transactions as long as their owner says", async () => {
    const { connectionId } = await connected();
    const set = await api().updateUserConnection({ connectionId, retentionDays: 90 }, me());
    expect(set.retentionDays).toBe(90);
    expect((await api().getUserConnection({ connectionId }, me())).retentionDays).toBe(90);
    const wrong = api().updateUserConnection({ connectionId, retentionDays: 4_000 }, me());
    await expect(wrong).rejects.toMatchObject({ reason: "bad_request" });
    expect((await api().updateUserConnection({ connectionId, retentionDays: 0 }, me())).retentionDays).toBeUndefined();
  });
});

describe("accounts", () => {
  it("come from storage while they are fresh, and from the provider after", async () => {
    const own = await connected();
    const before = await accountCalls();
    const { accounts } = await api().listConnectionAccounts(own, me());
    expect(accounts).toHaveLength(3);
    expect(accounts[2]?.balance).toBeLessThan(0);
    expect(await accountCalls()).toBe(before);
    its.world.clock.advance(15 * 60_000 + 1);
    await api().listConnectionAccounts(own, me());
    expect(await accountCalls()).toBe(before + 1);
    // What that call brought is as fresh as what a sync brings.
    its.world.clock.advance(15 * 60_000 - 1);
    await api().listConnectionAccounts(own, me());
    expect(await accountCalls()).toBe(before + 1);
    its.world.clock.advance(2);
    await api().listConnectionAccounts(own, me());
    expect(await accountCalls()).toBe(before + 2);
  });

  it("that were stored before a new consent of their person are asked for anew", async () => {
    const own = await connected();
    const { deps, refresher } = its.replica;
    const before = await findConnection(deps.storage.db.query, { ...own, owner: ownerNamed(user) });
    if (before === undefined) throw new Error("there is no connection");
    its.world.clock.advance(1_000);
    const begun = await api().linkConnector(own, me());
    const query = await visitPlaid(begun.authUrl ?? "", null);
    await endConsentByCallback(deps, { connector: "plaid", query }, testCaller());
    const asked = await accountCalls();
    await api().listConnectionAccounts(own, me());
    expect(await accountCalls()).toBe(asked + 1);
    await api().listConnectionAccounts(own, me());
    expect(await accountCalls()).toBe(asked + 1);
    // Whoever asked under the old consent, and has his answer only now, stores nothing of it.
    its.world.clock.advance(15 * 60_000 + 1);
    const late = readAccounts({ deps, refresher }, before, testCaller());
    await expect(late).rejects.toMatchObject({ reason: "CONFLICT" });
  });

  it("of a provider that is down are those of last time, with their age", async () => {
    const own = await connected();
    const seenAt = its.world.clock.now();
    its.world.clock.advance(16 * 60_000);
    await its.plaid.control("POST", "/faults", { kind: "html", path: "/accounts/get" });
    const { accounts } = await api().listConnectionAccounts(own, me());
    expect(accounts).toHaveLength(3);
    expect(accounts[0]?.asOf && timestampDate(accounts[0].asOf)).toEqual(seenAt);
  });

  it("that need their user say so, and the connection with them", async () => {
    const own = await connected();
    await its.plaid.control("POST", `${await itemOf(own.connectionId)}/revoke`, { silent: true });
    its.world.clock.advance(16 * 60_000);
    const refused = api().listConnectionAccounts(own, me());
    await expect(refused).rejects.toMatchObject({ reason: "reauthorization_required", code: 9 });
    expect((await api().getUserConnection(own, me())).state).toBe("EXPIRED");
  });

  it("of one bad provider hide no other in what the wallet asks for", async () => {
    const good = await connected();
    const bad = await connected();
    await its.plaid.control("POST", `${await itemOf(bad.connectionId)}/login-required`);
    its.world.clock.advance(16 * 60_000);
    const overview = await its.replica.wallet.listProviderAccounts({ owner: ownerNamed(user) });
    expect(overview.accounts.map((each) => each.connectionId)).toEqual(Array(3).fill(good.connectionId));
    expect(overview.errors).toMatchObject([{ connectionId: bad.connectionId, error: "reauthorization_required" }]);
    expect(typeof overview.accounts[0]?.balanceMinor).toBe("bigint");
  });
});

describe("transactions", () => {
  it("are paged newest first, each once, within the span asked for", async () => {
    const own = await connected();
    const seen: { transactionId: string; at: number }[] = [];
    let pageToken = "";
    do {
      const page = await api().listConnectionTransactions({ ...own, pageSize: 150, pageToken }, me());
      seen.push(
        ...page.transactions.map(({ transactionId, postedAt }) => ({
          transactionId,
          at: postedAt === undefined ? 0 : timestampDate(postedAt).getTime(),
        })),
      );
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen.length).toBeGreaterThan(200);
    expect(new Set(seen.map((each) => each.transactionId)).size).toBe(seen.length);
    expect(seen.map((each) => each.at)).toEqual(seen.map((each) => each.at).sort((one, other) => other - one));
    const middle = new Date(seen[Math.floor(seen.length / 2)]?.at ?? 0).toISOString();
    const half = await api().listConnectionTransactions({ ...own, from: middle, pageSize: 200 }, me());
    expect(half.transactions.every(({ postedAt }) => postedAt && timestampDate(postedAt) >= new Date(middle))).toBe(
      true,
    );
  });

  it.each([{ from: "yesterday" }, { to: "2026-13-01" }, { pageSize: -1 }, { pageToken: "bm90IGEgdG9rZW4" }])(
    "asked for with %j are refused",
    async (wrong) => {
      const call = { connector: "plaid", connectionId: crypto.randomUUID(), ...wrong };
      await expect(api().listConnectionTransactions(call, me())).rejects.toMatchObject({ reason: "bad_request" });
    },
  );
});

describe("history", () => {
  it("has a job's run under its id, and every act, paged", async () => {
    const { connectionId } = await connected();
    const { jobId } = await api().syncUserConnection({ connectionId }, me());
    expect((await api().syncUserConnection({ connectionId }, me())).jobId).toBe(jobId);
    const { jobId: refreshId } = await api().refreshUserConnection({ connectionId }, me());
    await its.sync();
    const { runs } = await api().listSyncHistory({ connectionId }, me());
    expect(runs.find((run) => run.jobId === jobId)).toMatchObject({ state: "succeeded", trigger: "manual" });
    expect(runs.find((run) => run.jobId === refreshId)).toMatchObject({ kind: "tokens", state: "succeeded" });
    const page = await api().listSyncHistory({ connectionId, pageSize: 2 }, me());
    const rest = await api().listSyncHistory({ connectionId, pageSize: 2, pageToken: page.nextPageToken }, me());
    expect([...page.runs, ...rest.runs].map((run) => run.jobId)).toEqual(runs.map((run) => run.jobId));
    const first = await api().listConnectionAudit({ connectionId, pageSize: 3 }, me());
    const second = await api().listConnectionAudit(
      { connectionId, pageSize: 200, pageToken: first.nextPageToken },
      me(),
    );
    const actions = [...first.entries, ...second.entries].map((entry) => entry.action);
    expect(actions).toEqual(
      expect.arrayContaining(["connect", "token_exchange", "credential_store", "transaction_fetch"]),
    );
    const whole = await api().listConnectionAudit({ connectionId, pageSize: 200 }, me());
    expect(whole.entries.map((entry) => entry.action)).toEqual(actions);
  });

  it("has of an act where it was asked for, by what, and how long the provider took for it", async () => {
    const own = await connected();
    its.world.clock.advance(16 * 60_000);
    await its.plaid.control("POST", "/faults", { kind: "latency", ms: 60, path: "/accounts/get" });
    // What the gateway tells of the phone, which cannot write it.
    const headers = { ...me().headers, "x-envoy-external-address": "203.0.113.77" };
    await api().listConnectionAccounts(own, { headers });
    const { rows } = await sql<{ ip_address: string; user_agent: string; duration_ms: number }>`
      select ip_address, user_agent, duration_ms from connector_audit_logs
      where user_id = ${user} and action = 'account_list' and ip_address = '203.0.113.77'
      `.execute(its.replica.deps.storage.db.query);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.user_agent).toMatch(/^grpc-node-js\//);
    expect(rows[0]?.duration_ms).toBeGreaterThanOrEqual(60);
    const { entries } = await api().listConnectionAudit({ connectionId: own.connectionId, pageSize: 50 }, me());
    expect(entries.find((entry) => entry.action === "account_list")?.durationMs).toBe(rows[0]?.duration_ms);
  });
});

describe("statistics", () => {
  it("tell operators alone, and how long real exchanges took", async () => {
    await connected();
    const { durations } = await api().getConnectorStatistics({}, asOperator);
    const exchange = durations.find((each) => each.action === "token_exchange");
    expect(exchange?.count).toBeGreaterThan(0);
    expect(exchange?.p95Ms).toBeGreaterThanOrEqual(exchange?.p50Ms ?? Number.NaN);
    await expect(api().getConnectorStatistics({}, me())).rejects.toMatchObject({ code: 16 });
  });
});
