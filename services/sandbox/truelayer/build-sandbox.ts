import { hkdfSync } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { openDatabase } from "../../platform/db/open-database.ts";
import { every } from "../../platform/jobs/every.ts";
import { createCsrf } from "../../platform/pages/csrf.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createSealedBox } from "../../platform/vault/sealed-box.ts";
import { createAuthFlow } from "./auth-flow.ts";
import type { TrueLayerSandboxConfig } from "./config.ts";
import { createDataDesk } from "./data-desk.ts";
import { dayMs } from "./domain/calendar.ts";
import { createEvents } from "./events.ts";
import { sandboxBrand } from "./http/auth-views.ts";
import { createSandboxServer } from "./http/create-sandbox-server.ts";
import { runDueTasks } from "./jobs/task-runner.ts";
import { sendDueWebhooks } from "./jobs/webhook-sender.ts";
import { sandboxClock } from "./sandbox-clock.ts";
import { createConnectionStore } from "./storage/connection-store.ts";
import { createControlStore } from "./storage/control-store.ts";
import { createLinkStore } from "./storage/link-store.ts";
import { createPostedStore } from "./storage/posted-store.ts";
import type { TrueLayerTables } from "./storage/tables.ts";
import { createTaskStore } from "./storage/task-store.ts";
import { createWebhookKeyStore } from "./storage/webhook-key-store.ts";
import { createWebhookStore } from "./storage/webhook-store.ts";
import { createTokenDesk } from "./token-desk.ts";
import { openWebhookKeys } from "./webhook-keys.ts";

const pollEveryMs = 250;
const sweepEveryMs = 10 * 60 * 1000;
const callsKept = 5_000;

/** A built sandbox, not yet listening. `stop` ends its work and closes the database. */
export interface TrueLayerSandbox {
  readonly server: FastifyInstance;
  stop(): Promise<void>;
}

/** Builds the sandbox from its configuration, making the webhook key at the first start. */
export async function buildTrueLayerSandbox(
  config: TrueLayerSandboxConfig,
  parts: { readonly log: Logger; readonly clock: Clock },
): Promise<TrueLayerSandbox> {
  const { log, clock } = parts;
  const origin = config.SANDBOX_ORIGIN;
  const keyFor = (purpose: string) =>
    Buffer.from(hkdfSync("sha256", config.SANDBOX_CONTROL_KEY, "", `truelayer sandbox ${purpose}`, 32));
  const db = openDatabase<TrueLayerTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: sandboxBrand.id,
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  const stores = {
    control: createControlStore(db),
    links: createLinkStore(db),
    connections: createConnectionStore(db),
    posted: createPostedStore(db),
    tasks: createTaskStore(db),
    webhooks: createWebhookStore(db),
  };
  const moment = sandboxClock(stores.control, clock);
  const tokenPepper = keyFor("tokens");
  const app = {
    clientId: config.TRUELAYER_CLIENT_ID,
    clientSecret: config.TRUELAYER_CLIENT_SECRET,
    redirectUris: config.TRUELAYER_REDIRECT_URIS,
  };
  const box = createSealedBox({ keys: new Map([["1", keyFor("sealing")]]), currentKeyId: "1" });
  const keys = await openWebhookKeys({ store: createWebhookKeyStore(db), box, clock }).catch(async (cause: unknown) => {
    await db.close();
    throw cause;
  });
  const defaults = { url: config.TRUELAYER_WEBHOOK_URL ?? null, mode: config.TRUELAYER_WEBHOOK_MODE };
  const shared = { ...stores, moment, clock, origin, log, keys };
  const flow = createAuthFlow({ ...shared, app, tokenPepper });
  const data = createDataDesk({ origin, clientId: app.clientId, posted: stores.posted });
  const server = createSandboxServer({
    ...shared,
    flow,
    data,
    desk: createTokenDesk({ ...shared, app, flow, tokenPepper }),
    events: createEvents({ ...shared, defaults }),
    csrf: createCsrf({ key: keyFor("csrf"), siteId: sandboxBrand.id, secure: origin.startsWith("https:") }),
    appName: config.TRUELAYER_APP_NAME,
    controlKey: config.SANDBOX_CONTROL_KEY,
    isReady: () => db.isReady(),
  });
  const hmac = { header: config.TRUELAYER_WEBHOOK_HMAC_HEADER, secret: config.TRUELAYER_WEBHOOK_SECRET ?? null };
  const jobs = [
    every({
      label: "webhooks",
      intervalMs: pollEveryMs,
      work: (signal) => sendDueWebhooks({ ...shared, hmac }, signal),
      log,
    }),
    every({ label: "asynchronous calls", intervalMs: pollEveryMs, work: () => runDueTasks({ ...shared, data }), log }),
    every({ label: "left-overs", intervalMs: sweepEveryMs, work: () => sweep(stores, clock.now()), log }),
  ];
  return {
    server,
    async stop() {
      await server.close();
      await Promise.all(jobs.map((job) => job.stop()));
      await db.close();
    },
  };
}

type Stores = Pick<Parameters<typeof createSandboxServer>[0], "control" | "connections" | "tasks" | "webhooks"> & {
  readonly links: ReturnType<typeof createLinkStore>;
};

/** Ended links and codes are kept a day, so that their second use is told as such; webhooks and tasks four. */
async function sweep(stores: Stores, now: Date): Promise<void> {
  const daysAgo = (days: number) => new Date(now.getTime() - days * dayMs);
  await stores.links.sweep(daysAgo(1));
  await stores.connections.sweepCodes(daysAgo(1));
  await stores.tasks.sweep(daysAgo(4));
  await stores.webhooks.sweep(daysAgo(4));
  await stores.control.trimCalls(callsKept);
}
