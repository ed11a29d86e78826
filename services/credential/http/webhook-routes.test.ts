import { request as nodeRequest } from "node:http";
import { inspect } from "node:util";
import type { FastifyInstance } from "fastify";
import { beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { listWebhooks } from "../storage/webhook-admin-store.ts";
import { type CredentialWorld, createCredentialWorld } from "../testing/credential-world.ts";
import {
  createTestProvider,
  serveWebhooks,
  signatureOf,
  signedWebhook,
  type TestProvider,
  withProvider,
} from "../webhooks/testing/webhook-world.ts";
import { webhookBytesMax } from "./webhook-routes.ts";

let world: CredentialWorld;
let deps: Dependencies;
let app: FastifyInstance;
let origin: string;
let provider: TestProvider;
let woken = 0;
setUp(async () => {
  world = await createCredentialWorld();
  provider = createTestProvider("testpay");
  const mastercard = createTestProvider("mastercard");
  const truelayer = createTestProvider("truelayer");
  const replica = await world.startReplica();
  deps = [provider, mastercard, truelayer].reduce(withProvider, replica.deps);
  ({ app, origin } = await serveWebhooks(deps, { wake: () => (woken += 1) }));
  return async () => {
    await app.close();
    await world.close();
  };
});
beforeEach(() => {
  provider.keysAreDown = false;
  provider.bodiesAreOdd = false;
});

const stored = (connector = "testpay") =>
  listWebhooks(deps.storage.db.query, { connector, state: undefined, after: undefined, limit: 1_000 });

async function post(path: string, body: string | Buffer<ArrayBuffer>, headers: Record<string, string> = {}) {
  const answer = await fetch(origin + path, { method: "POST", headers, body });
  const text = await answer.text();
  return { status: answer.status, text, body: text.startsWith("{") ? JSON.parse(text) : {} };
}

const path = "/api/connectors/testpay/webhook";
const ignored = (id: string) => [{ id, effect: { kind: "ignore" } as const }];
const alerts = async () => {
  const query = deps.storage.db.query.selectFrom("audit_entries").selectAll().where("action", "=", "security_alert");
  return await query.orderBy("at").execute();
};

describe("a webhook", () => {
  it("is answered as its provider wants it, on every path it may come by", async () => {
    const { body, headers } = signedWebhook(world.clock.now(), ignored("a1"));
    for (const [each, status] of [
      [path, 200],
      ["/api/v1/integrations/truelayer/webhook", 200],
      ["/api/connectors/truelayer/webhook", 200],
      ["/api/open-banking/webhook", 202],
      ["/functions/v1/open-banking-webhook", 202],
      ["/api/connectors/mastercard/webhook", 202],
    ] as const) {
      expect(await post(each, body, headers), each).toMatchObject({ status, body: { received: true } });
    }
    expect((await stored("mastercard")).map(({ repeats }) => repeats)).toEqual([2]);
  });

  it("is taken with any content type or none, as the bytes it came in", async () => {
    const spaced = `{ "sent_at":"${world.clock.now().toISOString()}",\r\n\t"events": [ ] ,"é":1.0}\n`;
    const bytes = Buffer.concat([Buffer.from(spaced)]);
    for (const type of ["application/json", "application/x-www-form-urlencoded", "text/plain;charset=utf-16", ""]) {
      const headers = { ...signatureOf(bytes), ...(type === "" ? {} : { "content-type": type }) };
      expect((await post(path, bytes, headers)).status, type).toBe(200);
    }
  });

  it("that comes again is answered the same, stored once and counted", async () => {
    const { body, headers } = signedWebhook(world.clock.now(), ignored("again"));
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(path, body, headers)));
    const resigned = signedWebhook(new Date(world.clock.now().getTime() + 1_000), ignored("again"));
    answers.push(await post(path, resigned.body, resigned.headers));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    const events = (await stored()).filter(({ providerEventId }) => providerEventId === "again");
    expect(events).toMatchObject([{ repeats: 8, state: "done", outcome: "ignored" }]);
  });

  it("wakes the worker once it is stored", async () => {
    const before = woken;
    const { body, headers } = signedWebhook(world.clock.now(), ignored("wake"));
    await post(path, body, headers);
    await post(path, body, {});
    expect(woken).toBe(before + 1);
  });

  it("that is forged or stale gets 401 and a security alert that holds nothing of it", async () => {
    const before = (await alerts()).length;
    const count = (await stored()).length;
    const now = world.clock.now();
    const { body } = signedWebhook(now, [{ id: "very-private", effect: { kind: "ignore" } }]);
    const stale = signedWebhook(new Date(now.getTime() - 301_000), ignored("old"));
    const cases = [
      ["signature_missing", await post(path, body)],
      ["signature_wrong", await post(path, `${body} `, signatureOf(body))],
      ["stale", await post(path, stale.body, stale.headers)],
    ] as const;
    for (const [, answer] of cases) {
      expect(answer).toMatchObject({ status: 401, body: { error: "invalid_signature" } });
      expect(answer.text).not.toContain("private");
    }
    const rows = (await alerts()).slice(before);
    expect(rows.map(({ outcome }) => outcome)).toEqual(cases.map(([reason]) => reason));
    for (const row of rows) {
      expect(row).toMatchObject({ institution_id: "testpay", actor: "address:127.0.0.1", client_address: "127.0.0.1" });
      expect(row.details).not.toContain("private");
    }
    expect((await stored()).length).toBe(count);
    expect(world.logLines.join("")).not.toContain("very-private");
    await post("/api/connectors/truelayer/webhook", body);
    const told =
      "select outcome from truelayer_audit_logs where action = 'SECURITY_ALERT' order by created_at desc limit 1";
    expect((await deps.storage.db.pool.query(told)).rows).toEqual([{ outcome: "signature_missing" }]);
  });

  it("of nobody or of a connector without webhooks is 404, and never reaches a store", async () => {
    for (const name of ["nobody", "bsim", "__proto__", "constructor"]) {
      const { body, headers } = signedWebhook(world.clock.now(), ignored("x"));
      expect((await post(`/api/connectors/${name}/webhook`, body, headers)).status, name).toBe(404);
    }
    expect((await fetch(origin + path)).status).toBe(405);
  });

  it("is to be sent again (503) while its keys cannot be had, and leaves no alert", async () => {
    const before = (await alerts()).length;
    provider.keysAreDown = true;
    const { body, headers } = signedWebhook(world.clock.now(), ignored("keys"));
    expect(await post(path, body, headers)).toMatchObject({ status: 503, body: { error: "unavailable" } });
    provider.keysAreDown = false;
    expect((await post(path, body, headers)).status).toBe(200);
    expect((await alerts()).length).toBe(before);
  });

  it("that is proved and not understood is taken and kept as a dead letter: sending it again would not help", async () => {
    provider.bodiesAreOdd = true;
    const { body, headers } = signedWebhook(world.clock.now(), ignored("odd"));
    expect((await post(path, body, headers)).status).toBe(200);
    expect(await stored()).toContainEqual(
      expect.objectContaining({ type: "unreadable", state: "dead", error: "not_understood" }),
    );
  });

  it("is refused with 413 from its declared length, before its bytes are sent", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = nodeRequest(origin + path, { method: "POST", headers: { "content-length": "10000000" } });
      sent.on("response", (response) => resolve(response.statusCode));
      sent.on("error", reject);
      sent.flushHeaders();
    });
    expect(status).toBe(413);
  });

  it("is refused with 413 when it grows too large without saying so, and taken up to the limit", async () => {
    const chunked = new Promise<number | undefined>((resolve) => {
      const sent = nodeRequest(origin + path, { method: "POST" }, (response) => resolve(response.statusCode));
      sent.on("error", () => resolve(undefined));
      for (let count = 0; count < 200; count += 1) sent.write(Buffer.alloc(64 * 1024, "x"));
      sent.end();
    });
    // The answer may be lost with the connection, which ends while bytes are still on their way.
    expect([413, undefined]).toContain(await chunked);
    const { body } = signedWebhook(world.clock.now(), []);
    const padded = body + " ".repeat(webhookBytesMax - body.length);
    expect((await post(path, padded, signatureOf(padded))).status).toBe(200);
    expect((await post(path, `${padded} `, signatureOf(`${padded} `))).status).toBe(413);
  });

  it("is 429 for a sender of forged ones, whose alerts do not fill the trail", async () => {
    const before = (await alerts()).length;
    const answers: number[] = [];
    for (let count = 0; count < 40; count += 1) answers.push((await post(path, `forged ${count}`)).status);
    expect(answers.filter((status) => status === 429).length).toBeGreaterThanOrEqual(10);
    expect((await alerts()).length - before).toBeLessThanOrEqual(30);
    const { body, headers } = signedWebhook(world.clock.now(), ignored("good-after-forged"));
    expect((await post(path, body, headers)).status).toBe(200);
  });

  it("keeps body and headers sealed alone", async () => {
    const secretText = "account 12345678 of Zoë";
    const { body, headers } = signedWebhook(world.clock.now(), [
      { id: "sealed", effect: { kind: "ignore", detail: "d" } },
    ]);
    const noted = body.replace("{", `{"note":"${secretText}",`);
    await post(path, noted, { ...headers, ...signatureOf(noted), cookie: "sid=abc", authorization: "Bearer xyz" });
    const rows = await deps.storage.db.query
      .selectFrom("webhook_events")
      .selectAll()
      .where("provider_event_id", "=", "sealed")
      .execute();
    expect(rows[0]?.sealed_payload?.length).toBeGreaterThan(100);
    expect(inspect(rows)).not.toContain("12345678");
    expect(Buffer.from(rows[0]?.sealed_payload ?? []).toString("latin1")).not.toContain("12345678");
  });
});
