import { createHmac, generateKeyPairSync, randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { setUp } from "../../../platform/testing/set-up.ts";
import type { ReceivedWebhook } from "../../../sandbox/kit/testing/webhook-receiver.ts";
import { partner } from "../../../sandbox/mastercard/testing/start-mastercard.ts";
import type { Connection } from "../../domain/connection.ts";
import { beginConnect } from "../../flows/begin-connect.ts";
import { completeConnect } from "../../flows/complete-connect.ts";
import { listRuns } from "../../storage/sync-run-store.ts";
import { ownerNamed } from "../../testing/credential-world.ts";
import { testCaller } from "../../testing/plaid-world.ts";
import { reload } from "../../webhooks/testing/webhook-world.ts";
import type { Connector } from "../connector.ts";
import type { ProviderEvent, RawWebhook } from "../webhook-reader.ts";
import {
  type MastercardWorld,
  must,
  rawOf as rawWebhook,
  start,
  startMastercardWorld,
} from "./testing/mastercard-world.ts";

const oauthBank = "170778";
let mc: MastercardWorld;
setUp(async () => {
  mc = await startMastercardWorld();
  const names = ["authorization.accesstoken.expiry", "mastercard.openbanking.customer.consent"];
  const subscription = { url: mc.sandbox.receiver.url, events: names.map((name) => ({ name })) };
  expect((await mc.sandbox.api("POST", "/notification-subscriptions/webhooks", subscription)).status).toBe(201);
  return () => mc.close();
});
afterEach(async () => {
  await mc.sandbox.control("PATCH", "/settings", { webhookSignature: "valid", signatureEncoding: "der" });
});

const rawOf = (webhook: ReceivedWebhook): RawWebhook =>
  rawWebhook(webhook, must(mc.connector.webhook).headers, mc.world.clock.now());

async function read(webhook: RawWebhook, by: Connector = mc.connector): Promise<readonly ProviderEvent[]> {
  const reader = must(by.webhook);
  await reader.verify(webhook, mc.call());
  return await reader.read(webhook, mc.call());
}

/** Two clocks a moment apart: what happens next is later by either. */
function pass(): void {
  mc.world.clock.advance(60_000);
  mc.sandbox.clock.advance(60_000);
}

const connectEvent = (customerId: string, type: string) =>
  mc.sandbox.receiver.next((each) => each.body["customerId"] === customerId && each.body["eventType"] === type);
const notification = (name: string, loginId: string, status?: string) =>
  mc.sandbox.receiver.next(
    (each) =>
      each.body["eventName"] === name && each.body["institutionLoginId"] === loginId && each.body["status"] === status,
  );
const expiryOf = async (loginId: string, inSeconds = 3 * 86_400) => {
  await mc.sandbox.control("POST", `/logins/${loginId}/authorization-end`, { inSeconds });
  return await notification("authorization.accesstoken.expiry", loginId);
};

/** Connects a user of the service, as his wallet would. */
async function connectUser(userId: string, institutionId: string): Promise<Connection> {
  const { deps } = mc.replica;
  const owner = ownerNamed(userId);
  const command = { owner, connector: "mastercard", institutionId: "", redirectUri: start.redirectUri };
  const begun = await beginConnect(deps, command, testCaller());
  const query = await mc.visit(begun.authUrl ?? "", { institutionId });
  const answer = { attempt: { state: query.get("state") ?? "" }, code: "complete", iss: "", error: "" };
  return (await completeConnect(deps, { owner, ...answer }, testCaller())).connection;
}

const deliver = (webhook: ReceivedWebhook) => mc.deliver(webhook);

describe("Connect's webhooks", () => {
  it("are proved by the partner's secret, also the one before, over the exact bytes", async () => {
    const { providerReference: customerId } = await mc.connect();
    const webhook = rawOf(await connectEvent(customerId, "done"));
    const [step, sync] = await read(webhook);
    expect(step).toMatchObject({ type: "connect.done", providerReference: customerId, effect: { kind: "progress" } });
    expect(sync).toMatchObject({ effect: { kind: "sync_transactions" } });
    expect(step?.eventId).toBe(JSON.parse(webhook.body.toString()).eventId);
    const rotated = mc.makeConnector({
      env: { OPEN_BANKING_PARTNER_SECRET: "the-next-secret-1", OPEN_BANKING_PARTNER_SECRET_PREVIOUS: partner.secret },
    });
    await expect(read(webhook, rotated)).resolves.toHaveLength(2);
    const other = mc.makeConnector({ env: { OPEN_BANKING_PARTNER_SECRET: "another-secret-1" } });
    await expect(read(webhook, other)).rejects.toThrow("signature_wrong");
    await expect(read({ ...webhook, body: Buffer.from(`${webhook.body} `) })).rejects.toThrow("signature_wrong");
    await expect(read({ ...webhook, headers: {} })).rejects.toThrow("signature_missing");
  });

  it("tell each step, and a failure with its code", async () => {
    const effects = async (eventType: string, payload = {}) => {
      const body = Buffer.from(JSON.stringify({ customerId: "1", eventType, eventId: randomUUID(), payload }));
      const signature = createHmac("sha256", partner.secret).update(body).digest("hex");
      const headers = { "x-finicity-signature": signature };
      const events = await read({ body, headers, path: "/", receivedAt: new Date() });
      return events.map(({ effect }) => [effect.kind, effect.detail].filter(Boolean).join(" "));
    };
    expect(await effects("ping")).toEqual(["ignore"]);
    for (const step of ["started", "discovered", "adding", "added", "processing"]) {
      expect(await effects(step)).toEqual([`progress ${step}`]);
    }
    expect(await effects("credentialsUpdated", { institutionLoginId: 7 })).toEqual([
      "progress credentialsUpdated",
      "healed",
    ]);
    expect(await effects("accountsDeleted")).toEqual(["sync_accounts"]);
    expect(await effects("invalidCredentials", { code: 103 })).toEqual(["progress error:103"]);
    expect(await effects("unableToConnect")).toEqual(["progress error:unableToConnect"]);
    expect(await effects("viewed")).toEqual(["ignore"]);
  });

  it("begin a sync once, however often they come", async () => {
    const connection = await connectUser("u-done", oauthBank);
    const webhook = await connectEvent(connection.providerReference, "done");
    for (let count = 0; count < 3; count += 1) await deliver(webhook);
    const runs = await listRuns(mc.replica.deps.storage.db.query, connection, { after: undefined, limit: 10 });
    expect(runs.map((run) => [run.kind, run.state])).toEqual([["transactions", "queued"]]);
  });
});

describe("notifications", () => {
  it("are proved by Mastercard's key, DER or raw as told, within five minutes", async () => {
    const grant = await mc.connect({ institutionId: oauthBank });
    const webhook = rawOf(await expiryOf(grant.ownerReference));
    const [event] = await read(webhook);
    expect(event).toMatchObject({
      eventId: webhook.headers["x-mastercard-webhook-message-id"],
      providerReference: grant.providerReference,
      ownerReference: grant.ownerReference,
      effect: { kind: "expiring", detail: expect.stringContaining("T") },
    });
    const raw = mc.makeConnector({ env: { OPEN_BANKING_WEBHOOK_SIGNATURE_FORM: "raw" } });
    await expect(read(webhook, raw)).rejects.toThrow("signature_wrong");
    const late = new Date(webhook.receivedAt.getTime() + 301_000);
    await expect(read({ ...webhook, receivedAt: late })).rejects.toThrow("stale");
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const foreign = mc.makeConnector({ env: { OPEN_BANKING_WEBHOOK_PUBLIC_KEY: pem } });
    await expect(read(webhook, foreign)).rejects.toThrow("signature_wrong");
    const keyless = mc.makeConnector({ env: { OPEN_BANKING_WEBHOOK_PUBLIC_KEY: "" } });
    await expect(read(webhook, keyless)).rejects.toThrow("key_unknown");
    await mc.sandbox.control("PATCH", "/settings", { signatureEncoding: "raw" });
    const second = rawOf(await expiryOf(grant.ownerReference, 2 * 86_400));
    await expect(read(second, raw)).resolves.toHaveLength(1);
    await expect(read(second)).rejects.toThrow("signature_wrong");
  });

  it("cannot be passed off as Connect's, nor the other way round", async () => {
    const grant = await mc.connect();
    const webhook = rawOf(await connectEvent(grant.providerReference, "added"));
    const headers = { ...webhook.headers, "x-mastercard-signature": "00", "x-mastercard-signature-timestamp": "1" };
    await expect(read({ ...webhook, headers })).rejects.toThrow("refused");
  });

  it("say of one login what is true of it alone", async () => {
    const ending = await connectUser("u-two", oauthBank);
    const other = await connectUser("u-two", "900101");
    expect(ending.providerReference).toBe(other.providerReference);
    pass();
    await deliver(await expiryOf(ending.ownerReference));
    const { deps } = mc.replica;
    const daysLeft = async (connection: Connection) => {
      const { consentExpiresAt } = await reload(deps, connection);
      return Math.round((must(consentExpiresAt).getTime() - mc.world.clock.now().getTime()) / 86_400_000);
    };
    expect([await daysLeft(ending), await daysLeft(other)]).toEqual([3, 365]);
    pass();
    await mc.sandbox.control("POST", `/logins/${other.ownerReference}/revoke`);
    const name = "mastercard.openbanking.customer.consent";
    await deliver(await notification(name, other.ownerReference, "revoked"));
    expect([(await reload(deps, ending)).state, (await reload(deps, other)).state]).toEqual(["ACTIVE", "REVOKED"]);
  });

  it("are not outdated by what was said of another login later", async () => {
    const ending = await connectUser("u-order", oauthBank);
    const other = await connectUser("u-order", "900101");
    pass();
    const earlier = await expiryOf(ending.ownerReference);
    pass();
    const later = await expiryOf(other.ownerReference);
    await deliver(later);
    await deliver(earlier);
    const { consentExpiresAt } = await reload(mc.replica.deps, ending);
    expect(must(consentExpiresAt).getTime() - mc.world.clock.now().getTime()).toBeLessThan(4 * 86_400_000);
  });
});
