import type { FastifyInstance } from "fastify";
import { beforeEach, describe, expect, it } from "vitest";
import type { DomainError } from "../../../platform/errors/domain-error.ts";
import { setUp } from "../../../platform/testing/set-up.ts";
import { app as trueLayerApp } from "../../../sandbox/truelayer/testing/sandbox-world.ts";
import type { Connection } from "../../domain/connection.ts";
import { beginConnect } from "../../flows/begin-connect.ts";
import { completeConnect } from "../../flows/complete-connect.ts";
import { disconnect } from "../../flows/disconnect.ts";
import { listAccounts } from "../../flows/list-accounts.ts";
import { openForUse } from "../../flows/open-for-use.ts";
import { readAccounts } from "../../flows/read-accounts.ts";
import { refreshConnection } from "../../flows/refresh-connection.ts";
import { requestRun } from "../../flows/request-run.ts";
import { sweepRevocations } from "../../flows/revoke-secrets.ts";
import { ownerNamed, type Replica } from "../../testing/credential-world.ts";
import { testCaller } from "../../testing/plaid-world.ts";
import {
  createTrueLayerCredentialWorld,
  type TrueLayerCredentialWorld,
  trueLayerRedirectUri,
} from "../../testing/truelayer-credential-world.ts";
import { processWebhooks } from "../../webhooks/process-webhooks.ts";
import { serveWebhooks } from "../../webhooks/testing/webhook-world.ts";

const live = new AbortController().signal;
const bySignature = "/api/connectors/truelayer/webhook";
const bySecret = "/api/v1/integrations/truelayer/webhook";
let world: TrueLayerCredentialWorld;
let app: FastifyInstance;
let origin: string;
let user: string;
setUp(async () => {
  world = await createTrueLayerCredentialWorld({ env: { TRUELAYER_WEBHOOK_MODE: "hmac" } });
  ({ app, origin } = await serveWebhooks(world.parts.deps));
  return async () => {
    await app.close();
    await world.close();
  };
});
beforeEach(async () => {
  user = `user-${crypto.randomUUID()}`;
  await world.trueLayer.sandbox.control("DELETE", "/faults");
  await world.trueLayer.sandbox.control("DELETE", "/calls");
});

const control = (method: string, path: string, body?: object) => world.trueLayer.sandbox.control(method, path, body);
const rowsOf = (table: string, { connectionId }: Connection) =>
  world.query(`select * from ${table} where connection_id = $1`, [connectionId]);
const runsOf = (connection: Connection) =>
  world.query("select kind, trigger, state, error from sync_runs where connection_id = $1 order by requested_at", [
    connection.connectionId,
  ]);

/** Has the sandbox deliver an event to us; the status it was answered with. */
async function deliver(event: object, path = bySignature): Promise<number> {
  const answer = await control("POST", "/webhooks", { url: origin + path, ...event });
  const [eventId] = (answer.body as { eventIds: string[] }).eventIds;
  const { promise, resolve } = Promise.withResolvers<number>();
  const look = async () => {
    const { webhooks } = (await control("GET", "/webhooks")).body as { webhooks: Delivery[] };
    const status = webhooks.find((each) => each.eventId === eventId)?.lastStatus;
    if (typeof status === "number") resolve(status);
    else setTimeout(look, 50);
  };
  void look();
  return await promise;
}

interface Delivery {
  readonly eventId: string;
  readonly lastStatus: number | null;
}

/** A connection with its first run done. */
async function connected(providerId?: string): Promise<Connection> {
  const connection = await world.connect(user, providerId);
  await world.sync();
  // An event of the very moment of a consent is taken for one of an older consent.
  world.advance(1_000);
  return connection;
}

describe("a connection through TrueLayer", () => {
  it("brings accounts and history by itself", async () => {
    const connection = await connected();
    expect(await runsOf(connection)).toMatchObject([{ kind: "transactions", trigger: "connect", state: "succeeded" }]);
    expect(await rowsOf("provider_accounts", connection)).toHaveLength(3);
    expect((await rowsOf("provider_transactions", connection)).length).toBeGreaterThan(200);
  });

  it("is synchronised once TrueLayer tells of a transaction", async () => {
    const connection = await connected();
    const accountId = await world.trueLayer.accountId({ kind: "current" });
    await world.trueLayer.post({ accountId, amount: -9.99, description: "A LINE TOLD OF" });
    const event = { type: "transaction.created", credentialsId: connection.providerReference, accountId };
    expect(await deliver(event)).toBe(200);
    await processWebhooks(world.parts.deps, live);
    await world.sync();
    expect(await runsOf(connection)).toMatchObject([
      {},
      { kind: "transactions", trigger: "webhook", state: "succeeded" },
    ]);
    const lines = await rowsOf("provider_transactions", connection);
    expect(lines.find((line) => line["description"] === "A LINE TOLD OF")).toMatchObject({ amount_minor: -999n });
  });

  it("has its accounts read anew after account.updated, and after balance.updated", async () => {
    const connection = await connected();
    const run = { kind: "accounts", trigger: "webhook", state: "succeeded" };
    for (const [type, runs] of [
      ["account.updated", [{}, run]],
      ["balance.updated", [{}, run, run]],
    ] as const) {
      expect(await deliver({ type, credentialsId: connection.providerReference })).toBe(200);
      await processWebhooks(world.parts.deps, live);
      await world.sync();
      expect(await runsOf(connection), type).toMatchObject(runs);
      world.advance(1_000);
    }
  });

  it("is over once TrueLayer tells that the consent was taken back: tokens and data are destroyed", async () => {
    const connection = await connected();
    const event = { type: "consent.revoked", credentialsId: connection.providerReference, mode: "hmac" };
    expect(await deliver(event, bySecret)).toBe(200);
    await processWebhooks(world.parts.deps, live);
    expect(await world.reread(connection)).toMatchObject({ state: "REVOKED", stateReason: "revoked_at_provider" });
    for (const table of ["connection_secrets", "provider_accounts", "provider_transactions"]) {
      expect(await rowsOf(table, connection), table).toEqual([]);
    }
    expect(await rowsOf("owner_notices", connection)).toMatchObject([{ kind: "consent_revoked" }]);
  });

  it("is untouched by forged webhooks, which are 401 and leave an alert", async () => {
    const connection = await connected();
    const alerts = "select 1 from audit_entries where action = 'security_alert' and outcome like '%sign%'";
    const before = (await world.query(alerts)).length;
    const event = { type: "consent.revoked", credentialsId: connection.providerReference };
    expect(await deliver({ ...event, signature: "wrong_key" })).toBe(401);
    expect(await deliver(event, bySecret)).toBe(401);
    expect(await deliver({ ...event, mode: "hmac", signature: "wrong_key" }, bySecret)).toBe(401);
    await processWebhooks(world.parts.deps, live);
    expect(await world.reread(connection)).toMatchObject({ state: "ACTIVE" });
    expect((await world.query(alerts)).length).toBe(before + 3);
  });

  it("is refreshed once when its access token is refused, and read then", async () => {
    const connection = await connected();
    await control("POST", `/connections/${connection.providerReference}/expire-access-token`);
    const { length } = await listAccounts(world.replica, { connection }, testCaller());
    expect(length).toBe(3);
    const tokens = (await world.callsTo("/connect/token")).filter(
      (each) => each["subject"] === connection.providerReference,
    );
    expect(tokens).toMatchObject([{ status: 200 }, { status: 200 }]);
    expect(await world.reread(connection)).toMatchObject({
      state: "ACTIVE",
      tokenVersion: connection.tokenVersion + 1n,
    });
  });

  it("waits for its user once TrueLayer denies access", async () => {
    const connection = await connected();
    await control("POST", `/connections/${connection.providerReference}/revoke`, { notify: false });
    const read = listAccounts(world.replica, { connection }, testCaller());
    await expect(read).rejects.toMatchObject({ name: "DomainError" });
    expect(await world.reread(connection)).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
  });

  it("stays good while a bank shows nothing without its user, and keeps the accounts it has", async () => {
    const connection = await connected();
    await control("POST", "/faults", {
      kind: "provider_error",
      code: "sca_exceeded",
      path: "/data/v1/accounts",
      times: 2,
    });
    await deliver({ type: "transaction.created", credentialsId: connection.providerReference });
    await processWebhooks(world.parts.deps, live);
    await world.sync();
    expect((await runsOf(connection)).at(-1)).toMatchObject({ kind: "transactions", state: "succeeded" });
    expect(await world.reread(connection)).toMatchObject({ state: "ACTIVE" });
    expect(await rowsOf("provider_accounts", connection)).toHaveLength(3);
  });

  it("takes the place of an older one to the same accounts, which ends at TrueLayer, and tells nothing twice", async () => {
    const first = await connected();
    const lines = (await rowsOf("provider_transactions", first)).length;
    const second = await connected();
    expect(second.connectionId).toBe(first.connectionId);
    expect(second.providerReference).not.toBe(first.providerReference);
    await sweepRevocations(world.parts.deps, live);
    expect(await world.callsTo("/connect/token/:credentialsId")).toMatchObject([
      { status: 204, subject: first.providerReference },
    ]);
    expect(await rowsOf("provider_accounts", second)).toHaveLength(3);
    expect(await rowsOf("provider_transactions", second)).toHaveLength(lines);
    expect((await listAccounts(world.replica, { connection: second }, testCaller())).length).toBe(3);
  });

  it("is deleted at TrueLayer when its owner disconnects", async () => {
    const connection = await connected();
    expect(await disconnect(world.parts.deps, connection, testCaller())).toBe(true);
    expect(await world.callsTo("/connect/token/:credentialsId")).toMatchObject([
      { status: 204, subject: connection.providerReference },
    ]);
    expect(await rowsOf("connection_secrets", connection)).toEqual([]);
  });
});

describe("a refresh that TrueLayer limits", () => {
  it("is told as such with the time to wait, on every replica, and nobody asks again meanwhile", async () => {
    const connection = await connected("ob-heron");
    await control("POST", "/faults", { path: "/connect/token", kind: "rate_limit", retryAfterSeconds: 600 });
    const told = async ({ refresher }: Pick<Replica, "refresher">) =>
      await refreshConnection(refresher, connection, testCaller()).catch((error: DomainError) => error);
    const another = await world.world.startReplica();
    for (const replica of [world.replica, world.replica, another]) {
      const error = await told(replica);
      expect(error).toMatchObject({
        reason: "PROVIDER_RATE_LIMITED",
        facts: { retryAfterSeconds: expect.any(Number) },
      });
      const { retryAfterSeconds } = (error as DomainError).facts; // as the line before says
      expect(retryAfterSeconds).toBeGreaterThan(500);
      expect(retryAfterSeconds).toBeLessThanOrEqual(600);
    }
    await another.stop();
    const limited = (await world.callsTo("/connect/token")).filter((each) => each["status"] === 429);
    expect(limited.length).toBeLessThanOrEqual(1);
    expect(await world.reread(connection)).toMatchObject({ state: "ACTIVE", refreshOutcome: "transient" });
  });
});

describe("the log", () => {
  /** What was logged while `act` failed, and the id that TrueLayer answered the last call of this route with. */
  async function failing(path: string, act: () => Promise<unknown>) {
    const { logLines } = world.world;
    const before = logLines.length;
    await control("POST", "/faults", { path, kind: "server_error", status: 503, times: 50 });
    await act().catch(() => undefined);
    await control("DELETE", "/faults");
    const correlationId = (await world.callsTo(path)).at(-1)?.["requestId"];
    expect(correlationId).toEqual(expect.any(String));
    return { correlationId, lines: logLines.slice(before).map((line) => JSON.parse(line)) };
  }

  it("has TrueLayer's id of whatever call failed, and no token, code or secret", async () => {
    const { deps } = world.parts;
    const connection = await connected();
    const { connectionId } = connection;
    const common = { level: "warn", connector: "truelayer", reason: "unavailable", connectionId };
    const open = async (purpose: "access_token" | "refresh_token") =>
      (await openForUse(deps, connection, purpose, testCaller().actor))?.plaintext ?? "";
    const secrets = [await open("access_token"), await open("refresh_token"), trueLayerApp.clientSecret];

    const refresh = await failing("/connect/token", () => world.replica.refresher.refresh(connection, testCaller()));
    const { correlationId } = refresh;
    expect(refresh.lines).toContainEqual(
      expect.objectContaining({ ...common, correlationId, msg: "refresh without new tokens" }),
    );

    await requestRun(deps, { connection, kind: "transactions" }, testCaller().actor);
    const sync = await failing("/data/v1/accounts", () => world.sync());
    expect(sync.lines).toContainEqual(
      expect.objectContaining({
        ...common,
        reason: "provider_unavailable",
        correlationId: sync.correlationId,
        msg: "a sync run did not succeed",
      }),
    );

    world.advance(20 * 60_000);
    const read = await failing("/data/v1/accounts", () => readAccounts(world.replica, connection, testCaller()));
    const asked = { operation: "list_accounts", correlationId: read.correlationId };
    expect(read.lines).toContainEqual(expect.objectContaining({ ...common, ...asked }));

    const owner = ownerNamed(user);
    const consent = { owner, connector: "truelayer", institutionId: "", redirectUri: trueLayerRedirectUri };
    const begun = await beginConnect(deps, consent, testCaller());
    const back = await world.trueLayer.visit(begun.authUrl ?? "");
    const [state, code] = [back.get("state") ?? "", back.get("code") ?? ""];
    const exchange = await failing("/connect/token", () =>
      completeConnect(deps, { owner, attempt: { state }, code, iss: "", error: "" }, testCaller()),
    );
    const { connectionId: _none, ...unconnected } = common;
    const exchanged = { operation: "exchange_consent", correlationId: exchange.correlationId };
    expect(exchange.lines).toContainEqual(expect.objectContaining({ ...unconnected, ...exchanged }));

    const end = await failing("/connect/token/:credentialsId", () => disconnect(deps, connection, testCaller()));
    expect(end.lines).toContainEqual(
      expect.objectContaining({
        ...common,
        correlationId: end.correlationId,
        msg: "revocation at the bank is put off",
      }),
    );

    const log = world.world.logLines.join("");
    for (const secret of [...secrets, code, state]) {
      expect(secret.length).toBeGreaterThan(8);
      expect(log).not.toContain(secret);
    }
  });
});
