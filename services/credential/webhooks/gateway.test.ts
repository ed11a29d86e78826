import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GatewayWorld, startGatewayWorld } from "../../../deploy/envoy/testing/gateway-world.ts";
import { createRateLimiter } from "../../platform/limits/rate-limiter.ts";
import { eventually } from "../../platform/testing/eventually.ts";
import type { Connection } from "../domain/connection.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { addWebhookRoutes, type WebhookRouteParts } from "../http/webhook-routes.ts";
import { startWebhookWorker, type WebhookWorker } from "../jobs/webhook-worker.ts";
import { credentialErrors } from "../rpc/error-table.ts";
import { listWebhooks, type WebhookEventSummary } from "../storage/webhook-admin-store.ts";
import { createPlaidWorld, type PlaidWorld, untilHistory } from "../testing/plaid-world.ts";
import { connectTo, createTestProvider, reload, signedWebhook, withProvider } from "./testing/webhook-world.ts";

let gateway: GatewayWorld;
let plaidWorld: PlaidWorld;
let deps: Dependencies;
let worker: WebhookWorker;
let parts: WebhookRouteParts | undefined;

/** The gateway's address is in the settings of the connector that answers behind it, so the routes get their parts later. */
const later = (): WebhookRouteParts => {
  if (parts === undefined) throw new Error("a webhook came before the service stood");
  return parts;
};

beforeAll(async () => {
  gateway = await startGatewayWorld({
    addPages: {
      credential: (app) =>
        addWebhookRoutes(app, {
          get deps() {
            return later().deps;
          },
          get limiter() {
            return later().limiter;
          },
          wake: () => later().wake(),
        }),
    },
    errors: credentialErrors,
  });
  plaidWorld = await createPlaidWorld({ webhookUrl: `${gateway.url}/api/connectors/plaid/webhook` });
  deps = withProvider(plaidWorld.replica.deps, createTestProvider("testpay"));
  worker = startWebhookWorker(deps);
  parts = { deps, limiter: createRateLimiter({ db: deps.storage.db }), wake: worker.wake };
  const { plaid, world } = plaidWorld;
  plaid.clock.advance(world.clock.now().getTime() - plaid.clock.now().getTime());
});
afterAll(async () => {
  await worker?.stop();
  await gateway?.stop();
  await plaidWorld?.close();
});

/** Time passes for Plaid and for us alike; nothing else tells one of its events from the next. */
function tick(seconds = 2): void {
  plaidWorld.plaid.clock.advance(seconds * 1_000);
  plaidWorld.world.clock.advance(seconds * 1_000);
}

const stored = (connector = "plaid") =>
  listWebhooks(deps.storage.db.query, { connector, state: undefined, after: undefined, limit: 1_000 });

const doneOf = (connection: Connection, code: string): Promise<WebhookEventSummary> =>
  eventually(`a worked off ${code}`, async () =>
    (await stored()).find(
      ({ type, state, connectionId }) =>
        type.endsWith(`.${code}`) && state === "done" && connectionId === connection.connectionId,
    ),
  );

async function deliveries(): Promise<{ attempts: number; lastStatus: number | null; state: string }[]> {
  const { body } = await plaidWorld.plaid.control("GET", "/webhooks");
  return body["webhooks"] as Awaited<ReturnType<typeof deliveries>>; // as the control API says them
}

const runsByWebhook = (connection: Connection) =>
  deps.storage.db.query
    .selectFrom("sync_runs")
    .selectAll()
    .where("connection_id", "=", connection.connectionId)
    .where("trigger", "=", "webhook")
    .execute();

async function runAll(): Promise<void> {
  while ((await plaidWorld.sync()) > 0);
}

async function connect(userId: string): Promise<Connection> {
  const connection = await plaidWorld.connect(userId);
  await untilHistory(plaidWorld.plaid, connection.providerReference);
  tick();
  return connection;
}

describe("webhooks of Plaid's stand-in, through the gateway", () => {
  it("bring transactions, a repair and the end of a consent to the connection they name", async () => {
    const { plaid } = plaidWorld;
    const connection = await connect("user-of-the-story");
    const item = `/items/${connection.providerReference}`;
    await runAll();
    await plaid.control("POST", `${item}/transactions`, { remove: 1 });
    const brought = await eventually("a run that a webhook asked for and that found the changes", async () => {
      await runAll();
      return (await runsByWebhook(connection)).find(({ state, removed }) => state === "succeeded" && removed > 0);
    });
    expect(brought).toMatchObject({ kind: "transactions", removed: 1 });

    tick();
    await plaid.control("POST", `${item}/login-required`);
    expect(await doneOf(connection, "ERROR")).toMatchObject({ effect: "reauthorize", outcome: "applied" });
    expect((await reload(deps, connection)).state).toBe("EXPIRED");

    tick();
    await plaid.control("POST", `${item}/login-repaired`);
    expect(await doneOf(connection, "LOGIN_REPAIRED")).toMatchObject({ effect: "healed", outcome: "applied" });
    expect((await reload(deps, connection)).state).toBe("ACTIVE");

    tick();
    await plaid.control("POST", `${item}/revoke`);
    expect(await doneOf(connection, "USER_PERMISSION_REVOKED")).toMatchObject({ outcome: "applied" });
    expect(await reload(deps, connection)).toMatchObject({ state: "REVOKED", hasAccessToken: false });
  });

  it.each(["wrong_key", "wrong_body", "stale", "missing", "wrong_algorithm"])(
    "signed with %s get 401 and an alert, and change nothing",
    async (signature) => {
      const connection = await connect(`user-of-${signature}`);
      const alerts = async () => {
        const query = deps.storage.db.query.selectFrom("audit_entries").select("outcome");
        return (await query.where("action", "=", "security_alert").execute()).length;
      };
      const before = await alerts();
      const code = "USER_PERMISSION_REVOKED";
      await plaidWorld.plaid.control("POST", `/items/${connection.providerReference}/webhook`, { code, signature });
      await eventually("the refusal", async () => (await deliveries()).find(({ lastStatus }) => lastStatus === 401));
      expect(await alerts()).toBeGreaterThan(before);
      expect((await reload(deps, connection)).state).toBe("ACTIVE");
      await plaidWorld.plaid.control("POST", "/reset");
    },
  );

  it("that cannot be proved while Plaid tells no keys are asked for again and taken then", async () => {
    const { plaid } = plaidWorld;
    const connection = await connect("user-of-the-outage");
    await plaid.control("PATCH", "/settings", { webhookFirstPauseMs: 1_000 });
    await plaid.control("POST", "/webhook-keys/rotate");
    await plaid.control("POST", "/faults", { kind: "server_error", path: "/webhook_verification_key/get" });
    const item = `/items/${connection.providerReference}`;
    await plaid.control("POST", `${item}/webhook`, { code: "PENDING_DISCONNECT" });
    await eventually("the refusal", async () => (await deliveries()).find(({ lastStatus }) => lastStatus === 503));
    tick(60);
    expect(await doneOf(connection, "PENDING_DISCONNECT")).toMatchObject({ effect: "expiring" });
  });
});

describe("any webhook, through the gateway", () => {
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/api/connectors/testpay/webhook`, { method: "POST", body, headers });

  it("is proved by the bytes that were sent, and worked off at once", async () => {
    const reference = "item-through-envoy";
    const connection = await connectTo(deps, { connector: "testpay", reference, userId: "user-envoy" });
    tick();
    const events = [{ id: "e1", connection: reference, effect: { kind: "reauthorize", detail: "é 🐝" } as const }];
    const { body, headers } = signedWebhook(plaidWorld.world.clock.now(), events);
    expect((await post(`${body}\n`, headers)).status).toBe(401);
    const answer = await post(body, { ...headers, "content-type": "application/json" });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ received: true });
    await eventually("the effect", async () =>
      (await reload(deps, connection)).state === "EXPIRED" ? true : undefined,
    );
  });

  it("of ten megabytes is refused with 413, in the one error shape", async () => {
    const answer = await post(new Uint8Array(10_000_000));
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ error: "payload_too_large" });
  });

  it("names the address the gateway saw in its alert, not one the sender wrote", async () => {
    await post("{}", { "x-forwarded-for": "6.6.6.6" });
    const addresses = await deps.storage.db.query
      .selectFrom("audit_entries")
      .select("client_address")
      .where("action", "=", "security_alert")
      .execute();
    expect(new Set(addresses.map((row) => row.client_address))).toEqual(new Set(["127.0.0.1"]));
  });
});
