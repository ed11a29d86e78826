import { describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { storeWebhook } from "../storage/webhook-store.ts";
import { asOperator, type CredentialWorld, createCredentialWorld, type Replica } from "../testing/credential-world.ts";
import { processWebhooks } from "../webhooks/process-webhooks.ts";
import { createTestProvider, withProvider } from "../webhooks/testing/webhook-world.ts";

let world: CredentialWorld;
let replica: Replica;
let deps: Dependencies;
setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  deps = withProvider(replica.deps, createTestProvider("testpay"));
  for (const connector of ["testpay", "otherpay"]) {
    for (let count = 0; count < 5; count += 1) await arrive(connector, `${connector}-${count}`);
  }
  await arrive("testpay", "ignored", "ignore");
  await processWebhooks(deps, new AbortController().signal);
  return () => world.close();
});

async function arrive(connector: string, id: string, kind: "fetch" | "ignore" = "fetch"): Promise<void> {
  world.clock.advance(1_000);
  await storeWebhook(deps.storage, {
    connector,
    events: [{ eventId: id, type: "test.event", occurredAt: world.clock.now(), effect: { kind } }],
    bodyDigest: Buffer.alloc(32, id),
    payload: "{}",
    receivedAt: world.clock.now(),
  });
}

const list = (request: Parameters<Replica["gateway"]["listWebhookEvents"]>[0]) =>
  replica.gateway.listWebhookEvents(request, asOperator);

describe("an operator", () => {
  it("lists events newest first, page by page, by provider and by state", async () => {
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await list({ pageSize: 4, pageToken });
      ids.push(...page.events.map((event) => event.providerEventId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual([
      "ignored",
      ...[4, 3, 2, 1, 0].map((count) => `otherpay-${count}`),
      ...[4, 3, 2, 1, 0].map((count) => `testpay-${count}`),
    ]);
    const dead = await list({ provider: "otherpay", state: "dead" });
    expect(dead.events).toHaveLength(5);
    expect(dead.events[0]).toMatchObject({ provider: "otherpay", state: "dead", error: "connector_not_configured" });
    const done = await list({ state: "done" });
    expect(done.events).toMatchObject([{ providerEventId: "ignored", outcome: "ignored", effect: "ignore" }]);
    expect((await list({ state: "queued", provider: "testpay" })).events).toHaveLength(5);
  });

  it("is told what a list cannot be asked for", async () => {
    await expect(list({ state: "lost" })).rejects.toMatchObject({ message: expect.stringContaining("state must be") });
    await expect(list({ pageToken: "junk" })).rejects.toMatchObject({ message: expect.stringContaining("pageToken") });
    await expect(list({ pageSize: -1 })).rejects.toMatchObject({ message: expect.stringContaining("pageSize") });
  });

  it("replays one event, and not one that is unknown or waits already", async () => {
    const [event] = (await list({ provider: "otherpay", state: "dead" })).events;
    const replayed = await replica.gateway.replayWebhookEvent({ id: event?.id ?? "" }, asOperator);
    expect(replayed).toMatchObject({ id: event?.id, state: "queued", attempts: 0, error: "", outcome: "" });
    const again = replica.gateway.replayWebhookEvent({ id: event?.id ?? "" }, asOperator);
    await expect(again).rejects.toMatchObject({ reason: "webhook_event_under_way" });
    for (const id of ["nonsense", crypto.randomUUID()]) {
      const unknown = replica.gateway.replayWebhookEvent({ id }, asOperator);
      await expect(unknown).rejects.toMatchObject({ reason: "webhook_event_not_found" });
    }
  });

  it("replays all dead letters of a provider, which leaves a row in the audit", async () => {
    const dead = (await list({ state: "dead" })).events.filter(({ provider }) => provider === "otherpay").length;
    expect(dead).toBeGreaterThan(3);
    const { replayed } = await replica.gateway.replayDeadWebhookEvents({ provider: "otherpay" }, asOperator);
    expect(replayed).toBe(dead);
    expect((await replica.gateway.replayDeadWebhookEvents({ provider: "otherpay" }, asOperator)).replayed).toBe(0);
    const query = deps.storage.db.query.selectFrom("audit_entries").select(["actor", "details", "outcome"]);
    const rows = await query.where("outcome", "=", "replayed").orderBy("at").execute();
    const last = rows.at(-1);
    expect([last?.actor, JSON.parse(last?.details ?? "{}").count]).toEqual(["operator:tester", dead]);
  });

  it("alone does that", async () => {
    await expect(replica.gateway.listWebhookEvents({})).rejects.toMatchObject({ reason: "unauthorized" });
    await expect(replica.wallet.replayDeadWebhookEvents({ provider: "testpay" })).rejects.toThrow();
  });

  it("can query them by SQL under the name operators know", async () => {
    const { rows } = await deps.storage.db.pool.query(
      "select connector_id, status, event_type, outcome, repeats from connector_webhook_events where status = 'done'",
    );
    expect(rows).toEqual([
      { connector_id: "testpay", status: "done", event_type: "test.event", outcome: "ignored", repeats: 0 },
    ]);
  });
});
