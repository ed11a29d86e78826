import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../../../sandbox/kit/testing/free-port.ts";
import { type RunningWise, startWise, wiseApp, wiseRedirectUri } from "../../../sandbox/wise/testing/start-wise.ts";
import type { Connection } from "../../domain/connection.ts";
import { beginConnect } from "../../flows/begin-connect.ts";
import type { Dependencies } from "../../flows/dependencies.ts";
import { disconnect } from "../../flows/disconnect.ts";
import { endConsentByCallback } from "../../flows/end-consent-by-callback.ts";
import { sweepSyncs } from "../../jobs/sweep-syncs.ts";
import { findConnection } from "../../storage/connection-store.ts";
import { listStoredAccounts, listStoredTransactions } from "../../storage/provider-data-store.ts";
import { enqueueRun, listRuns } from "../../storage/sync-run-store.ts";
import { listWebhooks } from "../../storage/webhook-admin-store.ts";
import {
  type CredentialWorld,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../../testing/credential-world.ts";
import { testCaller } from "../../testing/plaid-world.ts";
import { processWebhooks } from "../../webhooks/process-webhooks.ts";
import { serveWebhooks } from "../../webhooks/testing/webhook-world.ts";
import { environmentFor } from "./testing/wise-world.ts";

const live = new AbortController().signal;
const hourMs = 3_600_000;
let wise: RunningWise;
let world: CredentialWorld;
let replica: Replica;
let deps: Dependencies;
let app: FastifyInstance;

beforeAll(async () => {
  const port = await freePort();
  const webhookUrl = `http://127.0.0.1:${port}/api/connectors/wise/webhook`;
  wise = await startWise({ WISE_WEBHOOK_URL: "" });
  world = await createCredentialWorld({
    settings: { ...environmentFor(wise.origin), WISE_WEBHOOK_URL: webhookUrl },
  });
  replica = await world.startReplica();
  deps = replica.deps;
  ({ app } = await serveWebhooks(deps, { port }));
});
afterAll(async () => {
  await app?.close();
  await world?.close();
  await wise?.stop();
});
beforeEach(async () => {
  for (const path of ["/faults", "/calls", "/settings"]) await wise.control("DELETE", path);
});

const db = () => deps.storage.db.query;

/** Connects a user by Wise's page and our callback, as his browser does. */
async function connect(userId: string = crypto.randomUUID()): Promise<Connection> {
  const where = { institutionId: "", redirectUri: wiseRedirectUri, returnUrl: "http://127.0.0.1:65000/done" };
  const begun = await beginConnect(deps, { owner: ownerNamed(userId), connector: "wise", ...where }, testCaller());
  const answer = await wise.control("POST", "/consents", { url: begun.authUrl, username: "mira" });
  const query = new URL(String(answer.body["redirectTo"])).searchParams;
  const { outcome } = await endConsentByCallback(deps, { connector: "wise", query }, testCaller());
  if (!("connection" in outcome)) throw outcome.error;
  return outcome.connection;
}

async function sync(): Promise<void> {
  await sweepSyncs({ deps, refresher: replica.refresher, retentionDays: 400, holder: "replica-of-the-test" }, live);
}

async function synced(): Promise<Connection> {
  const connection = await connect();
  await sync();
  return connection;
}

async function request(connection: Connection): Promise<void> {
  const now = world.clock.now();
  await enqueueRun(db(), { connection, kind: "transactions", trigger: "manual", requestedBy: "user:test", now });
}

async function reread(connection: Connection): Promise<Connection> {
  const found = await findConnection(db(), connection);
  if (found === undefined) throw new Error("no connection");
  return found;
}

const transactionsOf = (connection: Connection) =>
  listStoredTransactions(db(), connection, { from: undefined, to: undefined, after: undefined, limit: 5_000 });
const lastRun = async (connection: Connection) => (await listRuns(db(), connection, { after: undefined, limit: 1 }))[0];
const webhooks = () => listWebhooks(db(), { connector: "wise", state: undefined, after: undefined, limit: 100 });

function advance(ms: number): void {
  world.clock.advance(ms);
  wise.clock.advance(ms);
}

async function reclaimAll(): Promise<void> {
  const grants = (await wise.control("GET", "/grants")).body["grants"] as { grantId: string }[]; // as the sandbox answers
  for (const { grantId } of grants) await wise.control("POST", `/grants/${grantId}/reclaim`);
}

describe("a Wise profile in the service", () => {
  it("is connected by its page and our callback, and brings balances and lines by itself", async () => {
    const connection = await synced();
    expect(await reread(connection)).toMatchObject({ state: "ACTIVE", institutionName: "Wise", connector: "wise" });
    expect((await listStoredAccounts(db(), connection)).map((each) => each.currency).sort()).toEqual([
      "EUR",
      "GBP",
      "GBP",
    ]);
    expect((await transactionsOf(connection)).length).toBeGreaterThan(700);
    expect(await lastRun(connection)).toMatchObject({ state: "succeeded", trigger: "connect" });
  });

  it("has the application subscribed to its events once, with a token all replicas share", async () => {
    await connect();
    const other = await world.startReplica();
    const where = { institutionId: "", redirectUri: wiseRedirectUri };
    await beginConnect(other.deps, { owner: ownerNamed("other"), connector: "wise", ...where }, testCaller());
    const { calls } = (await wise.control("GET", "/calls?path=/v3/applications/:scopeId/subscriptions")).body;
    expect((calls as { method: string }[]).at(-1)).toMatchObject({ method: "GET", status: 200 });
    const mints = JSON.stringify((await wise.control("GET", "/calls?path=/oauth/token")).body);
    expect(mints.match(/client_credentials/g) ?? []).toHaveLength(0);
    const { body } = await wise.token({ grant_type: "client_credentials" });
    const path = `/v3/applications/${wiseApp.clientId}/subscriptions`;
    const listed = await wise.read(path, String(body["access_token"]));
    const events = (JSON.parse(listed.text) as { trigger_on: string }[]).map((each) => each.trigger_on);
    expect(events.sort()).toEqual(["balances#account-state-change", "balances#update", "transfers#state-change"]);
  });

  it("tells of money by webhook: it is proved, counted once, and the line is stored", async () => {
    const connection = await synced();
    const [account] = await listStoredAccounts(db(), connection);
    const before = await transactionsOf(connection);
    const known = (await webhooks()).length;
    const posting = { balanceId: Number(account?.accountId), amount: "-7.25", description: "Night market" };
    await wise.control("POST", "/transactions", posting);
    await expect.poll(async () => (await webhooks()).length).toBe(known + 1);
    const { webhooks: sent } = (await wise.control("GET", "/webhooks")).body as { webhooks: { deliveryId: string }[] };
    await wise.control("POST", `/webhooks/${sent[0]?.deliveryId}/resend`);
    await expect.poll(async () => (await webhooks())[0]?.repeats).toBe(1);
    await processWebhooks(deps, live);
    await sync();
    const after = await transactionsOf(connection);
    expect(after.length).toBe(before.length + 1);
    expect(after.find((each) => each.description === "Night market")?.amountMinor).toBe(-725n);
    expect((await webhooks())[0]).toMatchObject({ type: "balances#update", state: "done", outcome: "applied" });
  });

  it("takes no forged webhook", async () => {
    const connection = await connect();
    const known = (await webhooks()).length;
    const forged = { type: "balances#update", profileId: Number(connection.providerReference), signature: "wrong_key" };
    await wise.control("POST", "/webhooks", forged);
    const statuses = async () => {
      const { body } = await wise.control("GET", "/webhooks");
      return (body["webhooks"] as { lastStatus: number }[]).map((each) => each.lastStatus); // as the sandbox answers
    };
    await expect.poll(statuses).toContain(401);
    expect((await webhooks()).length).toBe(known);
  });

  it("is read on when its access token has ended, by a refresh that happens by itself", async () => {
    const connection = await synced();
    const before = await reread(connection);
    advance(12 * hourMs);
    await request(connection);
    await sync();
    expect(await lastRun(connection)).toMatchObject({ state: "succeeded", trigger: "manual" });
    expect((await reread(connection)).tokenVersion).toBeGreaterThan(before.tokenVersion);
  });

  it("survives a refresh whose answer was lost, where Wise keeps the refresh token", async () => {
    await wise.control("PATCH", "/settings", { refreshRotates: false });
    const connection = await synced();
    advance(12 * hourMs);
    await wise.control("POST", "/faults", { kind: "lost_answer", path: "/oauth/token" });
    await request(connection);
    await sync();
    expect(await lastRun(connection)).toMatchObject({ state: "succeeded", trigger: "manual" });
    expect((await reread(connection)).state).toBe("ACTIVE");
  });

  it("waits for its person once he took the account back, and works again after his next consent", async () => {
    const connection = await synced();
    await reclaimAll();
    await request(connection);
    await sync();
    expect(await lastRun(connection)).toMatchObject({ state: "failed", error: "reauthorization_required" });
    expect(await reread(connection)).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
    const again = await connect(connection.owner.userId);
    expect(again.connectionId).toBe(connection.connectionId);
    await sync();
    expect((await reread(connection)).state).toBe("ACTIVE");
  });

  it("is told limited where a strong authentication cannot be proved: balances are stored, and lines once they open again", async () => {
    const connection = await synced();
    const [before] = await listStoredAccounts(db(), connection);
    const lines = (await transactionsOf(connection)).length;
    const move = { balanceId: Number(before?.accountId), amount: 12.34, description: "While closed", notify: false };
    await wise.control("POST", "/transactions", move);
    await wise.control("PATCH", "/settings", { strongAuthentication: "always" });
    await request(connection);
    await sync();
    expect(await lastRun(connection)).toMatchObject({ state: "failed", error: "scope_limited" });
    expect((await reread(connection)).state).toBe("ACTIVE");
    const [after] = await listStoredAccounts(db(), connection);
    expect((after?.balanceMinor ?? 0n) - (before?.balanceMinor ?? 0n)).toBe(1_234n);
    expect(await transactionsOf(connection)).toHaveLength(lines);
    await wise.control("DELETE", "/settings");
    await request(connection);
    await sync();
    expect(await lastRun(connection)).toMatchObject({ state: "succeeded", added: 1 });
  });

  it("is disconnected with its refresh token used up at Wise and its data destroyed", async () => {
    const connection = await synced();
    await wise.control("DELETE", "/calls");
    expect(await disconnect(deps, connection, testCaller())).toBe(true);
    const { calls } = (await wise.control("GET", "/calls?path=/oauth/token")).body;
    expect(calls).toMatchObject([{ status: 200, fields: expect.arrayContaining(["grant_type=refresh_token"]) }]);
    expect(await listStoredAccounts(db(), connection)).toEqual([]);
    expect(await transactionsOf(connection)).toEqual([]);
  });

  it("leaves no token, code or secret in the log", async () => {
    const connection = await synced();
    await reclaimAll();
    await request(connection);
    await sync();
    const log = world.logLines.join("");
    expect(log).toContain("wise");
    expect(log).not.toContain(wiseApp.clientSecret);
    // Wise's tokens are UUIDs, and its refusals repeat them.
    expect(log).not.toContain("error_description");
  });
});
