import { timestampDate } from "@bufbuild/protobuf/wkt";
import { beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import { must } from "../connectors/truelayer/testing/truelayer-world.ts";
import type { Connection } from "../domain/connection.ts";
import { endConsentByCallback } from "../flows/end-consent-by-callback.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import { sweepConsents } from "../jobs/sweep-consents.ts";
import { findConnection } from "../storage/connection-store.ts";
import { asOperator, asPhoneOf, connectUser, ownerNamed } from "../testing/credential-world.ts";
import { testCaller } from "../testing/plaid-world.ts";
import {
  createTrueLayerCredentialWorld,
  type TrueLayerCredentialWorld,
} from "../testing/truelayer-credential-world.ts";

const dayMs = 86_400_000;
const connector = "truelayer";
const extendPath = "/data/v1/connections/extend";
const deletePath = "/connect/token/:credentialsId";
let its: TrueLayerCredentialWorld;
let user: string;
setUp(async () => {
  its = await createTrueLayerCredentialWorld();
  return () => its.close();
});
beforeEach(async () => {
  user = `user-${crypto.randomUUID()}`;
  await its.trueLayer.sandbox.control("DELETE", "/faults");
  await its.trueLayer.sandbox.control("DELETE", "/calls");
});

const api = () => its.replica.gateway;
const me = () => asPhoneOf(user);

/** Follows a link and our callback. */
async function follow(authUrl: string | undefined, who: { providerId?: string } = {}): Promise<Connection> {
  const query = await its.trueLayer.visit(must(authUrl), who);
  const ended = await endConsentByCallback(its.replica.deps, { connector, query }, testCaller());
  if (!("connection" in ended.outcome)) throw ended.outcome.error;
  return ended.outcome.connection;
}

const connected = async (providerId = "ob-thames") =>
  await follow((await api().connectTrueLayer({ institutionId: providerId }, me())).authUrl);
const connectionsOf = async () => (await api().listUserConnections({}, me())).connections;
const endOf = async (connection: Connection) => (await its.reread(connection)).consentExpiresAt?.getTime() ?? 0;
// The clocks of sandbox and service are some seconds apart.
const daysLeft = async (connection: Connection) =>
  Math.round(((await endOf(connection)) - its.world.clock.now().getTime()) / dayMs);

describe("TrueLayer's own paths", () => {
  it("give an auth link, with what is asked for or with nothing", async () => {
    const asked = await api().connectTrueLayer({ institutionId: "ob-heron", returnUrl: "mwsim://connected" }, me());
    expect(new URL(must(asked.authUrl)).searchParams.get("provider_id")).toBe("ob-heron");
    expect(new URL(must(asked.authUrl)).searchParams.get("state")).toBe(asked.state);
    const plain = await api().getTrueLayerLink({}, me());
    expect(new URL(must(plain.authUrl)).searchParams.has("provider_id")).toBe(false);
    await expect(api().getTrueLayerLink({})).rejects.toMatchObject({ code: 16 });
    const odd = api().connectTrueLayer({ institutionId: "No Bank!" }, me());
    await expect(odd).rejects.toMatchObject({ reason: "bank_not_found" });
  });

  it("end in a connection of the caller, and a link of his works once", async () => {
    const begun = await api().getTrueLayerLink({}, me());
    const query = await its.trueLayer.visit(must(begun.authUrl), { providerId: "ob-saltire" });
    const end = () => endConsentByCallback(its.replica.deps, { connector, query }, testCaller());
    expect((await end()).outcome).toMatchObject({ connection: { institutionName: "Saltire Bank", state: "ACTIVE" } });
    expect((await end()).outcome).toMatchObject({ error: { reason: "INVALID_STATE" } });
    expect(await connectionsOf()).toMatchObject([{ connector, institutionId: "ob-saltire" }]);
  });

  it("tell a refusal at the bank by its word", async () => {
    const begun = await api().getTrueLayerLink({}, me());
    const query = await its.trueLayer.visit(must(begun.authUrl), { deny: true });
    const { outcome } = await endConsentByCallback(its.replica.deps, { connector, query }, testCaller());
    expect(outcome).toMatchObject({ error: { reason: "CONSENT_REFUSED", facts: { error: "access_denied" } } });
  });

  it("leave every act in truelayer_audit_logs, of consents that came to nothing and of connections since erased", async () => {
    const begun = await api().getTrueLayerLink({}, me());
    const query = await its.trueLayer.visit(must(begun.authUrl), { deny: true });
    const end = () => endConsentByCallback(its.replica.deps, { connector, query }, testCaller());
    await end();
    await end();
    const connection = await connected();
    // One of another connector is not among them.
    await connectUser(its.replica.wallet, user);
    const acts = async (where: string, value: string) =>
      (await its.query(`select action, outcome from truelayer_audit_logs where ${where} = $1`, [value])).map(
        ({ action, outcome }) => `${action} ${outcome}`,
      );
    const own = await acts("user_id", user);
    const started = "CONNECT started";
    expect(own.slice(0, 5)).toEqual([
      ...[started, "CONNECT consent_refused", "CREDENTIAL_ACCESS opened", "SECURITY_ALERT invalid_state", started],
    ]);
    expect(own.filter((act) => act === "CONNECT ok")).toHaveLength(1);
    await api().eraseUser({ userId: user }, asOperator);
    expect(await its.query("select from connector_connections where id = $1", [connection.connectionId])).toEqual([]);
    await sweepRevocations(its.parts.deps, new AbortController().signal);
    const left = await acts("connection_id", connection.connectionId);
    expect(left).toEqual(
      expect.arrayContaining(["CONNECT ok", "DISCONNECT erased", "CREDENTIAL_DELETE revoked_at_provider"]),
    );
  });

  it("refresh the caller's TrueLayer connections and no others", async () => {
    const connection = await connected();
    await its.sync();
    const { jobId } = await api().refreshTrueLayerConnection(connection, me());
    await its.sync();
    const { runs } = await api().listSyncHistory({ connectionId: connection.connectionId }, me());
    expect(runs[0]).toMatchObject({ jobId, kind: "tokens", state: "succeeded" });
    expect((await its.reread(connection)).tokenVersion).toBe(connection.tokenVersion + 1n);
    const bank = await connectUser(its.replica.wallet, user);
    const gone = { reason: "connection_not_found" };
    await expect(api().refreshTrueLayerConnection({ connectionId: bank }, me())).rejects.toMatchObject(gone);
    const foreign = api().refreshTrueLayerConnection(connection, asPhoneOf("mallory"));
    await expect(foreign).rejects.toMatchObject(gone);
  });

  it("count TrueLayer's connections alone, for operators", async () => {
    await connectUser(its.replica.wallet, user);
    await connected();
    const statistics = await api().getTrueLayerStatistics({}, asOperator);
    expect(new Set(statistics.connections.map((each) => each.connector))).toEqual(new Set([connector]));
    const all = await api().getConnectorStatistics({}, asOperator);
    expect(all.connections.map((each) => each.connector)).toContain("bsim");
    await expect(api().getTrueLayerStatistics({}, me())).rejects.toMatchObject({ code: 16 });
  });
});

describe("a bank that shows something only beside its user", () => {
  const limit = (path: string, times: number) =>
    its.trueLayer.sandbox.control("POST", "/faults", { kind: "provider_error", code: "sca_exceeded", path, times });
  const read = async (connection: Connection) =>
    (await api().listConnectionAccounts({ connector, connectionId: connection.connectionId }, me())).accounts;

  it("has its accounts, or their balances, told as they were last seen, and its connection stays good", async () => {
    const connection = await connected();
    await its.sync();
    const before = await read(connection);
    its.advance(20 * 60_000);
    await limit("/data/v1/accounts", 1);
    expect(await read(connection)).toEqual(before);
    await limit("/data/v1/accounts/:accountId/balance", 2);
    const after = await read(connection);
    const isOf = (type: string) => (each: { accountType: string }) => each.accountType === type;
    expect(after.find(isOf("SAVINGS"))).toEqual(before.find(isOf("SAVINGS")));
    const ageOf = (accounts: typeof after) => timestampDate(must(accounts.find(isOf("CREDIT_CARD"))?.asOf)).getTime();
    expect(ageOf(after)).toBeGreaterThan(ageOf(before));
    expect(await its.reread(connection)).toMatchObject({ state: "ACTIVE" });
  });
});

describe("renewing a consent at TrueLayer", () => {
  it("keeps the connection, and ends the older consent there once the new one is safe", async () => {
    const before = await connected();
    const begun = await api().connectTrueLayer({ connectionId: before.connectionId }, me());
    expect(await its.callsTo(deletePath)).toEqual([]);
    const after = await follow(begun.authUrl);
    expect(after.connectionId).toBe(before.connectionId);
    expect(after.providerReference).not.toBe(before.providerReference);
    expect(await connectionsOf()).toHaveLength(1);
    await sweepRevocations(its.parts.deps, new AbortController().signal);
    expect(await its.callsTo(deletePath)).toMatchObject([{ status: 204, subject: before.providerReference }]);
    await its.sync();
    const { accounts } = await api().listConnectionAccounts({ ...after, connector }, me());
    expect(accounts).toHaveLength(3);
  });
});

describe("extending a consent", () => {
  const extend = (connection: Connection, more: { userHasReconfirmedConsent?: boolean; returnUrl?: string } = {}) =>
    api().extendConsent({ connectionId: connection.connectionId, userHasReconfirmedConsent: true, ...more }, me());

  it("needs the owner's word, and his connection", async () => {
    const connection = await connected();
    const silent = extend(connection, { userHasReconfirmedConsent: false });
    await expect(silent).rejects.toMatchObject({ reason: "bad_request" });
    const stray = extend(connection, { returnUrl: "https://elsewhere.example/" });
    await expect(stray).rejects.toMatchObject({ reason: "bad_request" });
    expect(await its.callsTo(extendPath)).toEqual([]);
    const request = { connectionId: connection.connectionId, userHasReconfirmedConsent: true };
    const foreign = api().extendConsent(request, asPhoneOf("mallory"));
    await expect(foreign).rejects.toMatchObject({ reason: "connection_not_found" });
  });

  it("goes on for another 90 days, keeps his word in the audit, and reminds nobody any more", async () => {
    const connection = await connected();
    its.advance(84 * dayMs);
    await sweepConsents(its.parts.deps, new AbortController().signal);
    const reminders = () => its.query("select 1 from owner_notices where user_id = $1", [user]);
    expect(await reminders()).toHaveLength(1);
    const answer = await extend(connection);
    expect(await reminders()).toEqual([]);
    expect(answer).toMatchObject({ extended: true, connectionId: connection.connectionId });
    expect(timestampDate(must(answer.consentExpiresAt)).getTime()).toBe(await endOf(connection));
    expect(await daysLeft(connection)).toBe(90);
    const { entries } = await api().listConnectionAudit({ connectionId: connection.connectionId }, me());
    expect(entries).toContainEqual(
      expect.objectContaining({ action: "connect", outcome: "consent_extended", actor: "user" }),
    );
  });

  it("leads to the bank where that wants its customer, and is the same connection and consent after", async () => {
    const connection = await connected("ob-heron");
    its.advance(30 * dayMs);
    const answer = await extend(connection);
    expect(answer).toMatchObject({
      extended: false,
      authUrl: expect.stringContaining("/auth/"),
      state: expect.any(String),
    });
    const after = await follow(answer.authUrl);
    expect(after).toMatchObject({ connectionId: connection.connectionId, state: "ACTIVE" });
    expect(after.providerReference).toBe(connection.providerReference);
    expect(await daysLeft(connection)).toBe(90);
    await sweepRevocations(its.parts.deps, new AbortController().signal);
    expect(await its.callsTo(deletePath)).toEqual([]);
  });

  it.each(["validation_error", "invalid_grant"])("answered with %s becomes a renewal", async (code) => {
    const connection = await connected();
    await its.trueLayer.sandbox.control("POST", "/faults", { kind: "provider_error", code, path: extendPath });
    const answer = await extend(connection);
    expect(answer.extended).toBe(false);
    expect(new URL(must(answer.authUrl)).searchParams.get("provider_id")).toBe("ob-thames");
    const after = await follow(answer.authUrl);
    expect(after).toMatchObject({ connectionId: connection.connectionId, state: "ACTIVE" });
  });

  it("of a bank that knows none becomes a renewal too, and an outage is told as one", async () => {
    const bank = await connectUser(its.replica.wallet, user);
    const found = must(
      await findConnection(its.replica.deps.storage.db.query, { owner: ownerNamed(user), connectionId: bank }),
    );
    const connection = await connected();
    await its.trueLayer.sandbox.control("POST", "/faults", { kind: "html", path: extendPath, times: 2 });
    await expect(extend(connection)).rejects.toMatchObject({ reason: "provider_unavailable" });
    expect((await its.reread(connection)).state).toBe("ACTIVE");
    const begun = await extend(found);
    expect(begun).toMatchObject({ extended: false, connectionId: bank });
    expect(must(begun.authUrl)).toContain(its.world.bank.bank.issuer);
  });
});
