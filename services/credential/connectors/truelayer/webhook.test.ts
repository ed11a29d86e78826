import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebhookReader } from "../webhook-reader.ts";
import {
  environmentFor,
  makeConnector,
  must,
  rawOf,
  startTrueLayerWorld,
  type TrueLayerWorld,
} from "./testing/truelayer-world.ts";

const agreedPath = "/api/v1/integrations/truelayer/webhook";
const credentialsId = "0190a0a0-0000-7000-8000-000000000001";
let world: TrueLayerWorld;
let reader: WebhookReader;
let agreed: WebhookReader;
beforeAll(async () => {
  world = await startTrueLayerWorld();
  reader = must(world.connector.webhook);
  agreed = readerWith({ TRUELAYER_WEBHOOK_MODE: "hmac" });
});
afterAll(() => world?.stop());

function readerWith(env: Readonly<Record<string, string>>): WebhookReader {
  const made = makeConnector(world.http, { env: { ...environmentFor(world.sandbox.origin), ...env } });
  return must(made?.webhook);
}

/** Has the sandbox send a webhook to this path, and takes it. */
async function send(options: { path?: string; mode?: string; signature?: string; type?: string } = {}) {
  const { path = "/api/connectors/truelayer/webhook", type = "transaction.created", ...how } = options;
  const url = new URL(path, world.receiver.url).href;
  const answer = await world.sandbox.control("POST", "/webhooks", { type, credentialsId, url, ...how });
  const [eventId] = (answer.body as { eventIds: string[] }).eventIds;
  return await world.receiver.next((webhook) => webhook.body["event_id"] === eventId);
}
const call = () => world.call();
const receivedAt = () => world.sandbox.clock.now();
const raw = async (options: Parameters<typeof send>[0] = {}, by = reader) =>
  rawOf(await send(options), by.headers, { receivedAt: receivedAt() });

describe("Tl-Signature at TrueLayer's webhooks", () => {
  it.each([
    ["transaction.created", "sync_transactions"],
    ["account.updated", "sync_accounts"],
    ["balance.updated", "refresh_balances"],
    ["consent.revoked", "consent_revoked"],
  ])("proves %s, which means %s", async (type, kind) => {
    const request = await raw({ type });
    await reader.verify(request, call());
    const [event] = await reader.read(request, call());
    expect(event).toMatchObject({ type, providerReference: credentialsId, effect: { kind } });
    expect(event?.eventId).toMatch(/^[0-9a-f-]{36}$/);
    expect(event?.occurredAt).toBeInstanceOf(Date);
  });

  it.each([
    ["wrong_key", "signature_wrong"],
    ["wrong_body", "signature_wrong"],
    ["missing", "signature_missing"],
    ["stale", "stale"],
    ["foreign_jku", "key_source_refused"],
    ["unsigned_timestamp", "timestamp_missing"],
  ])("refuses one signed with %s as %s", async (signature, reason) => {
    await expect(reader.verify(await raw({ signature }), call())).rejects.toMatchObject({ reason });
  });

  it("refuses changed white space, another path, and a shared secret in its place", async () => {
    const request = await raw();
    const spaced = { ...request, body: Buffer.from(request.body.toString().replace(",", ", ")) };
    await expect(reader.verify(spaced, call())).rejects.toMatchObject({ reason: "signature_wrong" });
    const elsewhere = { ...request, path: agreedPath };
    await expect(reader.verify(elsewhere, call())).rejects.toMatchObject({ reason: "signature_wrong" });
    const bySecret = await raw({ mode: "hmac" });
    await expect(reader.verify(bySecret, call())).rejects.toMatchObject({ reason: "signature_missing" });
  });

  it("is checked for the registered path where something in between shortened it", async () => {
    const behind = readerWith({ TRUELAYER_WEBHOOK_URL: "http://127.0.0.1:8080/outer/hook" });
    const request = await raw({ path: "/outer/hook" });
    await behind.verify({ ...request, path: "/hook" }, call());
    await expect(reader.verify({ ...request, path: "/hook" }, call())).rejects.toMatchObject({
      reason: "signature_wrong",
    });
  });

  it("cannot be judged while TrueLayer tells no keys: that is an outage, not a forgery", async () => {
    const fresh = readerWith({});
    const request = await raw();
    await world.sandbox.control("POST", "/faults", { kind: "server_error", path: "/.well-known/jwks" });
    await expect(fresh.verify(request, call())).rejects.toMatchObject({ failure: "unavailable" });
    await fresh.verify(request, call());
  });

  it("is taken with a new key after the keys were changed", async () => {
    await reader.verify(await raw(), call());
    await world.sandbox.control("POST", "/webhook-keys/rotate");
    world.sandbox.clock.advance(61_000);
    await reader.verify(await raw(), call());
  });
});

describe("the shared secret at TrueLayer's webhooks", () => {
  it("proves what comes to its endpoint alone, and only where it was asked for", async () => {
    const request = await raw({ path: agreedPath, mode: "hmac" }, agreed);
    await agreed.verify(request, call());
    expect(await agreed.read(request, call())).toMatchObject([{ providerReference: credentialsId }]);
    const elsewhere = { ...request, path: "/api/connectors/truelayer/webhook" };
    await expect(agreed.verify(elsewhere, call())).rejects.toMatchObject({ reason: "signature_missing" });
    await expect(reader.verify(request, call())).rejects.toMatchObject({ reason: "signature_missing" });
  });

  it("refuses TrueLayer's own signature there, a wrong one, a changed body and one of last week", async () => {
    const bySignature = await raw({ path: agreedPath }, agreed);
    await expect(agreed.verify(bySignature, call())).rejects.toMatchObject({ reason: "signature_missing" });
    const wrong = await raw({ path: agreedPath, mode: "hmac", signature: "wrong_key" }, agreed);
    await expect(agreed.verify(wrong, call())).rejects.toMatchObject({ reason: "signature_wrong" });
    const request = await raw({ path: agreedPath, mode: "hmac" }, agreed);
    const spaced = { ...request, body: Buffer.from(`${request.body.toString()} `) };
    await expect(agreed.verify(spaced, call())).rejects.toMatchObject({ reason: "signature_wrong" });
    const late = { ...request, receivedAt: new Date(receivedAt().getTime() + 7 * 86_400_000) };
    await expect(agreed.verify(late, call())).rejects.toMatchObject({ reason: "stale" });
  });
});

it("ignores a webhook of a type nobody knows, and refuses to read what is no event", async () => {
  const request = await raw();
  const of = (body: string) => reader.read({ ...request, body: Buffer.from(body) }, call());
  expect(await of('{"type":"payment_settled"}')).toMatchObject([{ effect: { kind: "ignore" } }]);
  for (const body of ["", "[]", '{"type":7}', "<html>"]) {
    await expect(of(body)).rejects.toMatchObject({ name: "WebhookRefused" });
  }
});
