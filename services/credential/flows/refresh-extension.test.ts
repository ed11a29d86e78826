import { beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import type { Connection } from "../domain/connection.ts";
import { sweepConsents } from "../jobs/sweep-consents.ts";
import { verifyAudit } from "../storage/audit-verify.ts";
import { testCaller } from "../testing/plaid-world.ts";
import {
  createTrueLayerCredentialWorld,
  type TrueLayerCredentialWorld,
} from "../testing/truelayer-credential-world.ts";

const dayMs = 86_400_000;
const extendPath = "/data/v1/connections/extend";
let world: TrueLayerCredentialWorld;
let user: string;
setUp(async () => {
  world = await createTrueLayerCredentialWorld();
  return () => world.close();
});
beforeEach(async () => {
  user = `user-${crypto.randomUUID()}`;
  await world.trueLayer.sandbox.control("DELETE", "/faults");
  await world.trueLayer.sandbox.control("DELETE", "/calls");
});

const fault = (body: object) => world.trueLayer.sandbox.control("POST", "/faults", body);
const extend = (connection: Connection) => {
  const { actor, signal } = testCaller();
  return world.replica.refresher.extend(connection, { actor, signal, state: "state-of-the-extension-of-the-test" });
};
const refresh = (connection: Connection) => {
  const { actor, signal } = testCaller();
  return world.replica.refresher.refresh(connection, { actor, signal });
};
const flightsOf = ({ connectionId }: Connection) =>
  world.query(
    `select refresh_holder, refresh_outcome, (select count(*)::int from refresh_intents i where i.connection_id = c.connection_id)
       as intents, (select count(*)::int from refresh_journal j where j.connection_id = c.connection_id) as journal
     from connections c where connection_id = $1`,
    [connectionId],
  );
const free = { refresh_holder: null, intents: 0, journal: 0 };

describe("extending a consent", () => {
  it("brings new tokens and another 90 days, kept as a refresh's are", async () => {
    const before = await world.connect(user);
    world.advance(20 * dayMs);
    expect(await extend(before)).toEqual({ outcome: "extended" });
    const after = await world.reread(before);
    expect(after.tokenVersion).toBe(before.tokenVersion + 1n);
    expect(after.consentExpiresAt?.getTime()).toBe((before.consentExpiresAt?.getTime() ?? 0) + 20 * dayMs);
    expect(await flightsOf(after)).toMatchObject([{ ...free, refresh_outcome: "refreshed" }]);
    expect(await refresh(after)).toMatchObject({ outcome: "refreshed" });
  });

  it("gives the flight back untouched when the user has to go to his bank", async () => {
    const before = await world.connect(user, "ob-heron");
    const result = await extend(before);
    expect(result).toMatchObject({ outcome: "user_needed", proofs: "{}" });
    const after = await world.reread(before);
    expect(after).toMatchObject({ state: "ACTIVE", tokenVersion: before.tokenVersion, refreshFailures: 0 });
    expect(await flightsOf(after)).toMatchObject([{ ...free, refresh_outcome: null }]);
    expect(await refresh(after)).toMatchObject({ outcome: "refreshed" });
  });

  it.each(["validation_error", "endpoint_not_supported"])(
    "that is refused with %s leaves all as it was",
    async (code) => {
      const before = await world.connect(user);
      await fault({ kind: "provider_error", code, path: extendPath });
      expect(await extend(before)).toEqual({ outcome: "refused" });
      expect(await world.reread(before)).toMatchObject({ state: "ACTIVE", tokenVersion: before.tokenVersion });
      expect(await flightsOf(before)).toMatchObject([free]);
    },
  );

  it("that is not answered is an outage, and no refusal", async () => {
    const before = await world.connect(user);
    await fault({ kind: "html", path: extendPath, times: 2 });
    expect(await extend(before)).toEqual({ outcome: "transient" });
    expect(await world.reread(before)).toMatchObject({ state: "ACTIVE" });
  });

  it("of a consent that was taken back makes the connection wait for its user", async () => {
    const before = await world.connect(user);
    const path = `/connections/${before.providerReference}/revoke`;
    await world.trueLayer.sandbox.control("POST", path, { notify: false });
    expect(await extend(before)).toEqual({ outcome: "reauth_required" });
    expect(await world.reread(before)).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
    expect(await extend(before)).toEqual({ outcome: "reauth_required" });
  });

  it("meets a refresh under way: both happen, one after the other, and no token is lost", async () => {
    const before = await world.connect(user);
    await fault({ kind: "latency", ms: 200, path: "/connect/token" });
    const [refreshed, extended] = await Promise.all([refresh(before), extend(before)]);
    expect([refreshed.outcome, extended.outcome]).toEqual(["refreshed", "extended"]);
    const after = await world.reread(before);
    expect(await refresh(after)).toMatchObject({ outcome: "refreshed" });
  });

  it("twice at once extends twice, and the tokens of the later one are kept", async () => {
    const before = await world.connect(user);
    const results = await Promise.all([extend(before), extend(before)]);
    expect(results).toEqual([{ outcome: "extended" }, { outcome: "extended" }]);
    expect(await refresh(await world.reread(before))).toMatchObject({ outcome: "refreshed" });
  });
});

describe("the end of a consent", () => {
  const live = new AbortController().signal;
  const sweep = () => sweepConsents(world.parts.deps, live);
  const noticesOf = ({ connectionId }: Connection) =>
    world.query("select kind from owner_notices where connection_id = $1", [connectionId]);

  it("is told its owner a week ahead and on the last day, and anew once it has moved", async () => {
    const connection = await world.connect(user);
    world.advance(82 * dayMs);
    await sweep();
    expect(await noticesOf(connection)).toEqual([]);
    world.advance(1.5 * dayMs);
    await Promise.all([sweep(), sweep()]);
    expect(await noticesOf(connection)).toEqual([{ kind: "consent_expiring" }]);
    await sweep();
    expect(await noticesOf(connection)).toHaveLength(1);
    world.advance(5.75 * dayMs);
    await sweep();
    await sweep();
    expect(await noticesOf(connection)).toHaveLength(2);
    expect(await extend(connection)).toEqual({ outcome: "extended" });
    await sweep();
    expect(await noticesOf(connection)).toHaveLength(2);
    world.advance(84 * dayMs);
    await sweep();
    expect(await noticesOf(connection)).toHaveLength(3);
    const told = "select 1 from audit_entries where connection_id = $1 and outcome = 'consent_expiring'";
    expect(await world.query(told, [connection.connectionId])).toHaveLength(3);
    expect((await verifyAudit(world.parts.deps.storage)).problems).toEqual([]);
  });
});
