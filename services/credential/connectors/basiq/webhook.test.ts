import { describe, expect, it } from "vitest";
import { setUp } from "../../../platform/testing/set-up.ts";
import { testApplication, visitConsent } from "../../../sandbox/basiq/testing/start-basiq.ts";
import type { ReceivedWebhook } from "../../../sandbox/kit/testing/webhook-receiver.ts";
import type { Connection } from "../../domain/connection.ts";
import { beginConnect } from "../../flows/begin-connect.ts";
import { completeConnect } from "../../flows/complete-connect.ts";
import { sweepSyncs } from "../../jobs/sweep-syncs.ts";
import { findConnection } from "../../storage/connection-store.ts";
import { listStoredTransactions } from "../../storage/provider-data-store.ts";
import { ownerNamed } from "../../testing/credential-world.ts";
import { testCaller } from "../../testing/plaid-world.ts";
import { acceptWebhook } from "../../webhooks/accept-webhook.ts";
import { processWebhooks } from "../../webhooks/process-webhooks.ts";
import type { Grant } from "../connector.ts";
import type { ProviderEvent } from "../webhook-reader.ts";
import { type BasiqWorld, must, rawOf, start, startBasiqWorld } from "./testing/basiq-world.ts";

let its: BasiqWorld;
/** Of somebody about whom much is told, and to whom nothing happens. */
let calm: Grant;

setUp(async () => {
  its = await startBasiqWorld();
  calm = await its.connect();
  return () => its.stop();
});

const raw = (webhook: ReceivedWebhook) => rawOf(webhook, its.webhooks, its.basiq.clock.now());

/** What a webhook turns out to be. */
async function understood(webhook: ReceivedWebhook): Promise<ProviderEvent> {
  await its.webhooks.verify(raw(webhook), its.call());
  const [event] = await its.webhooks.read(raw(webhook), its.call());
  const thin = must(event);
  return thin.effect.kind === "fetch" ? await must(its.webhooks.resolve)(thin, its.call()) : thin;
}

describe("a webhook of Basiq", () => {
  const user = () => calm.accessToken;
  const tell = async (eventTypeId: string, twist: object = {}) => {
    const path = `/connections/${await its.connectionId(user())}/event`;
    await its.basiq.control("POST", path, { eventTypeId, ...twist });
    return await its.basiq.webhook(eventTypeId, user());
  };

  it("is proved, says which user, and is understood by the event it points at", async () => {
    const webhook = await its.basiq.webhook("transactions.updated", user());
    await its.webhooks.verify(raw(webhook), its.call());
    const [thin] = await its.webhooks.read(raw(webhook), its.call());
    const eventId = String(webhook.body["eventId"]);
    const reference = { eventId, type: "transactions.updated", providerReference: user() };
    expect(thin).toEqual({ ...reference, effect: { kind: "fetch" } });
    const event = await must(its.webhooks.resolve)(must(thin), its.call());
    expect(event).toEqual({ ...reference, occurredAt: expect.any(Date), effect: { kind: "sync_transactions" } });
  });

  it.each([
    ["account.updated", "sync_accounts"],
    ["connection.activated", "healed"],
    ["connection.created", "ignore"],
    ["consent.created", "ignore"],
    ["consent.reminder", "ignore"],
    ["user.updated", "ignore"],
    ["user.deleted", "consent_revoked"],
  ])("%s means %s", async (type, kind) => {
    if (type.endsWith(".created"))
      return void expect((await understood(await its.basiq.webhook(type, user()))).effect.kind).toBe(kind);
    expect((await understood(await tell(type))).effect.kind).toBe(kind);
  });

  it("of a connection that became invalid needs its person, unless it was repaired since", async () => {
    const { accessToken: userId } = await its.connect();
    const connection = await its.connectionId(userId);
    await its.basiq.control("POST", `/connections/${connection}/invalidate`);
    const webhook = await its.basiq.webhook("connection.invalidated", userId);
    expect((await understood(webhook)).effect).toEqual({ kind: "reauthorize" });
    await its.basiq.control("POST", `/connections/${connection}/activate`);
    expect((await understood(webhook)).effect).toEqual({ kind: "ignore" });
  });

  it("of a consent about to end tells when; of one that ended needs its person; of one revoked ends the connection", async () => {
    const { accessToken: userId } = await its.connect();
    await its.basiq.control("POST", `/users/${userId}/consent-end`, { inSeconds: 6 * 86_400 });
    const { effect } = await understood(await its.basiq.webhook("consent.warning", userId));
    expect(effect.kind).toBe("expiring");
    const inDays = (Date.parse(effect.detail ?? "") - its.basiq.clock.now().getTime()) / 86_400_000;
    expect(inDays).toBeCloseTo(6, 1);
    await its.basiq.control("POST", `/users/${userId}/consent-end`, { inSeconds: -1 });
    const expired = await its.basiq.webhook("consent.expired", userId);
    expect((await understood(expired)).effect).toEqual({ kind: "reauthorize" });
    const other = await its.connect();
    await its.basiq.control("POST", `/users/${other.accessToken}/revoke-consent`);
    const revoked = await its.basiq.webhook("consent.revoked", other.accessToken);
    expect((await understood(revoked)).effect).toEqual({ kind: "consent_revoked" });
    const deleted = await its.basiq.webhook("connection.deleted", other.accessToken);
    expect((await understood(deleted)).effect).toEqual({ kind: "consent_revoked" });
  });

  it("of a consent that ended does nothing any more once there is a new one", async () => {
    const { accessToken, institutionId, ownerReference, providerReference } = await its.connect();
    await its.basiq.control("POST", `/users/${accessToken}/consent-end`, { inSeconds: -1 });
    const expired = await its.basiq.webhook("consent.expired", accessToken);
    const reconnect = { accessToken, institutionId, ownerReference, providerReference };
    const begun = await its.connector.begin({ ...start, reconnect }, its.call());
    await visitConsent(begun.authUrl ?? "", { bank: "Hooli Bank" });
    expect((await understood(expired)).effect).toEqual({ kind: "ignore" });
  });

  it.each([
    ["wrong_key", "signature_wrong"],
    ["wrong_body", "signature_wrong"],
    ["stale", "stale"],
    ["missing", "signature_missing"],
  ])("signed with %s is refused as %s", async (signature, reason) => {
    const webhook = await tell("account.updated", { signature });
    await expect(its.webhooks.verify(raw(webhook), its.call())).rejects.toMatchObject({ reason });
  });

  it("with white space changed is refused, and so is one of another provider's shape", async () => {
    const request = raw(await tell("account.updated"));
    const spaced = { ...request, body: Buffer.from(request.body.toString().replace(",", ", ")) };
    await expect(its.webhooks.verify(spaced, its.call())).rejects.toMatchObject({ reason: "signature_wrong" });
    for (const body of ["", "[]", '{"eventTypeId":"x"}', "<html>"]) {
      const odd = its.webhooks.read({ ...request, body: Buffer.from(body) }, its.call());
      await expect(odd).rejects.toMatchObject({ name: "WebhookRefused" });
    }
  });

  it("whose event cannot be had now is asked for later", async () => {
    const webhook = await tell("account.updated");
    await its.basiq.control("POST", "/faults", { path: "/events/:eventId", kind: "server_error" });
    await expect(understood(webhook)).rejects.toMatchObject({ failure: "unavailable" });
    expect((await understood(webhook)).effect.kind).toBe("sync_accounts");
  });
});

describe("through the service", () => {
  const live = new AbortController().signal;
  const basiqUsers: string[] = [];
  const deps = () => its.replica.deps;
  const parts = () => ({ deps: deps(), refresher: its.replica.refresher, retentionDays: 730, holder: "of-the-test" });

  async function connectAs(userId: string): Promise<Connection> {
    const owner = ownerNamed(userId);
    const { institutionId, redirectUri } = start;
    const begun = await beginConnect(deps(), { owner, connector: "basiq", institutionId, redirectUri }, testCaller());
    const facts = must(its.connector.readCallback?.(await visitConsent(begun.authUrl ?? "")));
    const attempt = { state: facts.state };
    const { connection } = await completeConnect(deps(), { owner, ...facts, attempt }, testCaller());
    await its.basiq.jobOver(facts.code);
    basiqUsers.push(connection.providerReference);
    return connection;
  }

  async function deliver(webhook: ReceivedWebhook): Promise<void> {
    const actor = { name: "webhook:basiq", clientAddress: "", userAgent: "" };
    const arriving = { connector: "basiq", reader: its.webhooks, request: raw(webhook), actor };
    await acceptWebhook(deps(), { ...arriving, mayAlert: async () => true });
  }

  const stored = async (connection: Connection) =>
    await listStoredTransactions(deps().storage.db.query, connection, {
      from: undefined,
      to: undefined,
      after: undefined,
      limit: 5_000,
    });
  const reread = async (connection: Connection) => must(await findConnection(deps().storage.db.query, connection));

  it("a consent brings accounts and history; a refresh at the bank arrives by webhook; a repeat changes nothing", async () => {
    const connection = await connectAs("nadia");
    expect(connection).toMatchObject({ institutionName: "Hooli Bank", state: "ACTIVE" });
    await sweepSyncs(parts(), live);
    const before = (await stored(connection)).length;
    expect(before).toBeGreaterThan(400);
    const id = await its.connectionId(connection.providerReference);
    await its.basiq.webhook("transactions.updated", connection.providerReference);
    await its.basiq.control("POST", `/connections/${id}/transactions`, { minor: -777, description: "BY WEBHOOK" });
    const webhook = await its.basiq.webhook("transactions.updated", connection.providerReference);
    await deliver(webhook);
    await deliver(webhook);
    // Once to find out what it is, once to do it.
    await processWebhooks(deps(), live);
    await sweepSyncs(parts(), live);
    const news = (await stored(connection)).filter((each) => each.description === "BY WEBHOOK");
    expect(news.map((each) => each.amountMinor)).toEqual([-777n]);
  });

  it("a consent revoked at Basiq ends the connection and destroys what it brought", async () => {
    const connection = await connectAs("omar");
    await sweepSyncs(parts(), live);
    await its.basiq.control("POST", `/users/${connection.providerReference}/revoke-consent`);
    await deliver(await its.basiq.webhook("consent.revoked", connection.providerReference));
    await processWebhooks(deps(), live);
    expect((await reread(connection)).state).toBe("REVOKED");
    expect(await stored(connection)).toEqual([]);
  });

  it("a connection that became invalid waits for its person, and works again once he signed in", async () => {
    const connection = await connectAs("petra");
    const id = await its.connectionId(connection.providerReference);
    await its.basiq.control("POST", `/connections/${id}/invalidate`);
    await deliver(await its.basiq.webhook("connection.invalidated", connection.providerReference));
    await processWebhooks(deps(), live);
    expect((await reread(connection)).state).not.toBe("ACTIVE");
    await its.basiq.control("POST", `/connections/${id}/activate`);
    await its.basiq.webhook("connection.activated", connection.providerReference);
    await deliver(await its.basiq.webhook("connection.activated", connection.providerReference));
    await processWebhooks(deps(), live);
    expect((await reread(connection)).state).toBe("ACTIVE");
  });

  it("neither the key, nor a token, nor who is who at Basiq is in a log", () => {
    const lines = its.world.logLines.join("");
    expect(basiqUsers.length).toBeGreaterThan(2);
    for (const secret of ["Bearer", testApplication.apiKey, ...basiqUsers]) expect(lines).not.toContain(secret);
  });
});
