import { createHmac } from "node:crypto";
import { extractJku, extractKid, verify } from "truelayer-signing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ReceivedWebhook, startReceiver, type WebhookReceiver } from "../kit/testing/webhook-receiver.ts";
import { hmacSecret, resultsOf, type SandboxWorld, startSandboxWorld, type Tokens } from "./testing/sandbox-world.ts";

let world: SandboxWorld;
let receiver: WebhookReceiver;
let tokens: Tokens;
let credentialsId: string;
beforeAll(async () => {
  world = await startSandboxWorld();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  receiver = await startReceiver();
  await world.control("POST", "/reset");
  await world.control("PATCH", "/settings", { webhookUrl: receiver.url, webhookFirstPauseMs: 1000 });
  tokens = await world.connect();
  const [me] = resultsOf(await world.read("/data/v1/me", tokens.access_token));
  credentialsId = String(me?.["credentials_id"]);
});
afterEach(() => receiver.close());

const arrived = async (count: number): Promise<ReceivedWebhook[]> => {
  await expect.poll(() => receiver.received.length).toBe(count);
  return receiver.received;
};
const send = (more: object = {}) =>
  world.control("POST", "/webhooks", { type: "account.updated", credentialsId, ...more });

/** As a careful receiver does it: with the official library, keys from the sandbox, and the timestamp required. */
async function checkSignature(webhook: ReceivedWebhook, jwks?: string): Promise<void> {
  const headers = Object.fromEntries(Object.entries(webhook.headers).map(([name, value]) => [name, String(value)]));
  verify({
    jwks: jwks ?? (await world.call("/.well-known/jwks")).text,
    signature: headers["tl-signature"] ?? "",
    // The library's enumeration of methods exists in its types alone.
    method: "POST" as Parameters<typeof verify>[0]["method"],
    path: webhook.path,
    body: webhook.raw,
    headers,
    requiredHeaders: ["X-Tl-Webhook-Timestamp"],
  });
}

describe("Tl-Signature", () => {
  it("passes the official library, names its key and where it is published", async () => {
    await send();
    const [webhook] = await arrived(1);
    if (webhook === undefined) throw new Error("nothing arrived");
    await checkSignature(webhook);
    const signature = String(webhook.headers["tl-signature"]);
    expect(extractJku(signature)).toBe(`${world.origin}/.well-known/jwks`);
    const { keys } = (await world.call("/.well-known/jwks")).body as { keys: Record<string, string>[] };
    expect(keys[0]).toMatchObject({ kid: extractKid(signature), kty: "EC", crv: "P-521" });
    expect(keys[0]).not.toHaveProperty("d");
    expect(webhook.body).toMatchObject({ type: "account.updated", credentials_id: credentialsId });
  });

  it.each(["wrong_key", "wrong_body", "unsigned_timestamp"])(
    "fails the official library when asked for %s",
    async (signature) => {
      await send({ signature });
      const [webhook] = await arrived(1);
      await expect(checkSignature(webhook as ReceivedWebhook)).rejects.toThrow();
    },
  );

  it("can be missing, an hour old, or point at foreign keys", async () => {
    await send({ signature: "missing" });
    await send({ signature: "stale" });
    await send({ signature: "foreign_jku" });
    const all = await arrived(3);
    const signed = all.filter((each) => each.headers["tl-signature"] !== undefined);
    expect(signed).toHaveLength(2);
    const ages = signed.map((each) =>
      Math.round((world.clock.now().getTime() - Date.parse(String(each.headers["x-tl-webhook-timestamp"]))) / 60_000),
    );
    expect(ages.sort()).toEqual([0, 60]);
    const hosts = signed.map((each) => new URL(extractJku(String(each.headers["tl-signature"])) ?? "").host);
    expect(hosts).toContain("webhooks.example.net");
  });

  it("still verifies for a receiver who looks keys up after they were rotated", async () => {
    await send();
    const [before] = await arrived(1);
    await world.control("POST", "/webhook-keys/rotate");
    await send();
    const [, after] = await arrived(2);
    const kids = [before, after].map((each) => extractKid(String(each?.headers["tl-signature"])));
    expect(kids[0]).not.toBe(kids[1]);
    await checkSignature(before as ReceivedWebhook);
    await checkSignature(after as ReceivedWebhook);
  });
});

describe("the other scheme", () => {
  it("is HMAC-SHA256 of the raw body in hex", async () => {
    await world.control("PATCH", "/settings", { webhookMode: "hmac" });
    await send();
    await send({ signature: "wrong_key" });
    const all = await arrived(2);
    const isRight = ({ raw, headers }: ReceivedWebhook) =>
      headers["x-truelayer-signature"] === createHmac("sha256", hmacSecret).update(raw).digest("hex");
    expect(all.map(isRight).sort()).toEqual([false, true]);
  });
});

/**
 * Waits until the one event stands as given. An attempt is counted when it begins; its status is noted when it is over, and when it comes
 * again counts from then: each attempt of a test has a status of its own.
 */
async function noted(webhook: object): Promise<void> {
  await expect.poll(async () => (await world.control("GET", "/webhooks")).body).toMatchObject({ webhooks: [webhook] });
}

describe("events", () => {
  it("tell of a new transaction and the balance it changes", async () => {
    const [account] = resultsOf(await world.read("/data/v1/accounts", tokens.access_token));
    const posting = { accountId: account?.["account_id"], amount: -5, description: "BOOKSHOP" };
    const posted = await world.control("POST", "/transactions", posting);
    await expect
      .poll(() => receiver.received.map(({ body }) => body))
      .toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            type: "transaction.created",
            credentials_id: credentialsId,
            transaction_id: posted.body["transactionId"],
          }),
          expect.objectContaining({ type: "balance.updated", account_id: account?.["account_id"] }),
        ]),
      );
  });

  it("tell of a consent the person took back, unless asked not to", async () => {
    await world.control("POST", `/connections/${credentialsId}/revoke`);
    const [told] = await arrived(1);
    expect(told?.body).toMatchObject({ type: "consent.revoked", credentials_id: credentialsId });
  });

  it("come again with the same event id and body until they are taken, later each time", async () => {
    let tried = 0;
    receiver.answer = () => 500 + ++tried;
    await send();
    await noted({ attempts: 1, lastStatus: 501 });
    for (const attempts of [2, 3]) {
      world.clock.advance(10_000);
      await noted({ attempts, lastStatus: 500 + attempts });
    }
    receiver.answer = () => 204;
    world.clock.advance(10_000);
    await noted({ state: "delivered", attempts: 4, lastStatus: 204 });
    const all = await arrived(4);
    expect(new Set(all.map(({ raw }) => raw)).size).toBe(1);
  });

  it("are given up after three days", async () => {
    receiver.answer = () => 500;
    await send();
    await noted({ attempts: 1, lastStatus: 500 });
    world.clock.advance(72 * 3_600_000);
    await noted({ state: "failed", attempts: 2 });
  });
});
