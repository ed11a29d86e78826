import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ReceivedWebhook } from "../../../sandbox/kit/testing/webhook-receiver.ts";
import type { RawWebhook, WebhookReader } from "../webhook-reader.ts";
import { makeConnector, must, startWiseWorld, type WiseWorld } from "./testing/wise-world.ts";

const dayMs = 86_400_000;
let world: WiseWorld;
let reader: WebhookReader;
let profileId: string;
beforeAll(async () => {
  world = await startWiseWorld();
  reader = must(world.connector.webhook);
  profileId = (await world.connect()).providerReference;
});
afterAll(() => world?.stop());
beforeEach(async () => {
  for (const path of ["/faults", "/settings"]) await world.wise.control("DELETE", path);
});

const call = () => world.call();
const now = () => world.wise.clock.now();

function rawOf(webhook: ReceivedWebhook, changes: Partial<RawWebhook> = {}): RawWebhook {
  const headers: Record<string, string> = {};
  for (const name of reader.headers) {
    const value = webhook.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  const path = "/api/connectors/wise/webhook";
  return { body: Buffer.from(webhook.raw), headers, path, receivedAt: now(), ...changes };
}

/** Has the sandbox send an event, and takes it. */
async function send(event: object = {}): Promise<ReceivedWebhook> {
  const asked = { type: "balances#update", profileId: Number(profileId), ...event };
  await world.wise.control("POST", "/webhooks", asked);
  return await world.wise.receiver.next(() => true);
}
const read = async (request: RawWebhook) => must((await reader.read(request, call()))[0]);

describe("a webhook of Wise", () => {
  it.each([
    [{ type: "balances#update" }, "sync_transactions"],
    [{ type: "balances#credit" }, "sync_transactions"],
    [{ type: "balances#account-state-change" }, "sync_accounts"],
    [{ type: "transfers#state-change", currentState: "outgoing_payment_sent" }, "sync_transactions"],
    [{ type: "transfers#state-change", currentState: "incoming_payment_waiting" }, "ignore"],
  ])("%j is proved, and means %s", async (event, kind) => {
    const request = rawOf(await send(event));
    await reader.verify(request, call());
    const told = await read(request);
    expect(told).toMatchObject({ type: event.type, providerReference: profileId, effect: { kind } });
    expect(Math.abs(must(told.occurredAt).getTime() - now().getTime())).toBeLessThan(1_000);
  });

  it.each([
    ["wrong_key", "signature_wrong"],
    ["wrong_body", "signature_wrong"],
    ["missing", "signature_missing"],
    ["stale", "stale"],
  ])("signed with %s is refused as %s", async (signature, reason) => {
    await expect(reader.verify(rawOf(await send({ signature })), call())).rejects.toMatchObject({ reason });
  });

  it("is refused with changed white space, and sixteen days after it was sent", async () => {
    const webhook = await send();
    const spaced = Buffer.from(webhook.raw.replace(",", ", "));
    await expect(reader.verify(rawOf(webhook, { body: spaced }), call())).rejects.toMatchObject({
      reason: "signature_wrong",
    });
    const daysLater = (days: number) => rawOf(webhook, { receivedAt: new Date(now().getTime() + days * dayMs) });
    await reader.verify(daysLater(15.9), call());
    await expect(reader.verify(daysLater(16.1), call())).rejects.toMatchObject({ reason: "stale" });
  });

  it("is the same event under another delivery id, time of sending or subscription, and not when more happened", async () => {
    const occurredAt = new Date(Math.floor(now().getTime() / 1_000) * 1_000).toISOString();
    const first = await send({ occurredAt });
    const again = await send({ occurredAt, skewSeconds: 7_200 });
    expect(again.raw).not.toBe(first.raw);
    expect(again.headers["x-delivery-id"]).not.toBe(first.headers["x-delivery-id"]);
    const [one, two] = [await read(rawOf(first)), await read(rawOf(again))];
    expect(two.eventId).toBe(one.eventId);
    expect(two.occurredAt).toEqual(one.occurredAt);
    const more = await read(rawOf(await send({ occurredAt, balanceAfter: 9.5 })));
    expect(more.eventId).not.toBe(one.eventId);
  });

  it("that only says it is a test counts all the same; a test notification is ignored", async () => {
    const webhook = await send();
    const claimed = rawOf(webhook);
    const headers = { ...claimed.headers, "x-test-notification": "true" };
    expect((await read({ ...claimed, headers })).effect.kind).toBe("sync_transactions");
    const body = Buffer.from(webhook.raw.replace(`"profile_id":${profileId}`, '"profile_id":0'));
    expect((await read({ ...claimed, headers, body })).effect.kind).toBe("ignore");
  });

  it.each(["[]", "null", '{"event_type":"x"}', "not json", '{"event_type":"x","sent_at":"now","data":[]}'])(
    "whose body is %s is not understood",
    async (text) => {
      const request = rawOf(await send(), { body: Buffer.from(text) });
      await expect(reader.read(request, call())).rejects.toMatchObject({ name: "WebhookRefused" });
    },
  );

  it("of a kind nobody here knows is ignored", async () => {
    const text = JSON.stringify({ event_type: "new#thing", sent_at: now().toISOString(), data: { occurred_at: 7 } });
    expect((await read(rawOf(await send(), { body: Buffer.from(text) }))).effect.kind).toBe("ignore");
  });
});

describe("the keys of webhooks", () => {
  it("are asked again for a signature they do not fit, a minute later at the earliest, and then hold", async () => {
    const own = must(must(makeConnector(world.http, { env: world.env })).webhook);
    const verify = (webhook: ReceivedWebhook) => own.verify(rawOf(webhook), call());
    const before = await send();
    await verify(before);
    await world.wise.control("POST", "/webhook-keys/rotate");
    const after = await send();
    await expect(verify(after)).rejects.toMatchObject({ reason: "signature_wrong" });
    world.wise.clock.advance(61_000);
    await verify(after);
    await verify(before);
  });

  it("that cannot be had are an outage, not a forgery", async () => {
    const own = must(
      must(makeConnector(world.http, { env: { ...world.env, WISE_BASE_URL: "http://127.0.0.1:9" } })).webhook,
    );
    await expect(own.verify(rawOf(await send()), call())).rejects.toMatchObject({ failure: "unavailable" });
  });

  it("come from a file where one is named", async () => {
    const file = join(must(world.env["WISE_SCA_KEY_FILE"]), "..", "webhook.pem");
    await writeFile(file, (await world.wise.call("/webhook-public-key")).text);
    const own = must(
      must(makeConnector(world.http, { env: { ...world.env, WISE_WEBHOOK_PUBLIC_KEY_FILE: file } })).webhook,
    );
    await own.verify(rawOf(await send()), call());
    await expect(own.verify(rawOf(await send({ signature: "wrong_key" })), call())).rejects.toMatchObject({
      reason: "signature_wrong",
    });
    expect(await readFile(file, "utf8")).not.toContain("PRIVATE");
  });

  it("of the real Wise's sandbox prove the webhook it prints in its documentation, which is too old by now", async () => {
    const env = { WISE_ENV: "sandbox", WISE_CLIENT_ID: "id", WISE_CLIENT_SECRET: "secret" };
    const own = must(must(makeConnector(world.http, { env })).webhook);
    const body = Buffer.from(documented.body);
    const headers = { "x-signature-sha256": documented.signature };
    const request = { body, headers, path: "/hook", receivedAt: new Date("2021-08-23T10:12:51Z") };
    await own.verify(request, call());
    await expect(own.verify({ ...request, receivedAt: new Date() }, call())).rejects.toMatchObject({ reason: "stale" });
    expect((await own.read(request, call()))[0]).toMatchObject({
      providerReference: "16055450",
      effect: { kind: "ignore" },
    });
    const production = must(must(makeConnector(world.http, { env: { ...env, WISE_ENV: "production" } })).webhook);
    await expect(production.verify(request, call())).rejects.toMatchObject({ reason: "signature_wrong" });
  });
});

/** From transferwise/digital-signatures-examples. */
const documented = {
  body: '{"data":{"resource":{"id":49983981,"profile_id":16055450,"account_id":14124090,"type":"transfer"},"current_state":"incoming_payment_waiting","previous_state":null,"occurred_at":"2021-08-23T10:12:50Z"},"subscription_id":"90aa8e14-4ef1-4a56-861c-f3c9cde097ea","event_type":"transfers#state-change","schema_version":"2.0.0","sent_at":"2021-08-23T10:12:50Z"}',
  signature:
    "wKcKCYXAzxNgiu7xmoDm943NUni7Rz33QN8JkEA9dWSGebgndonabgSj18Y4C08OrwVmueGsED2s00M7DtJVcYKOS1i3G4TMVx+mgM3aL9djMBkQtiYNBFUd6wrPI7ZUNHv/TrlKSjTMc+6JFvUvJ7owY3z85e3I4jLRLJowMFvO8kvCJ60+1pY9wDwZvtZ//WS93LrwGjk9Dvwzpmu0w+P4J75tETT5qC3Uv0y5G2yO8SEoO3yNP/tg/BOli02niHb53vEOUWUb9bly6thnfMoXoiV/osoGxgF20R58RlvkAmezyyl1Sv542TfS2DpiwVnmjjjkCyXeSUcKookYLQ==",
};
