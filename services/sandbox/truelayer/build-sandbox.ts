import { createCsrf } from "../../platform/pages/csrf.ts";
import { dayMs } from "../kit/domain/calendar.ts";
import { sendDueWebhooks, type WebhookSending } from "../kit/jobs/send-webhooks.ts";
import { type BuildParts, openSandbox, type Sandbox, type SandboxBase } from "../kit/open-sandbox.ts";
import { sandboxClock } from "../kit/sandbox-clock.ts";
import { createControlStore } from "../kit/storage/control-store.ts";
import { createDeliveryStore } from "../kit/storage/delivery-store.ts";
import { createWebhookKeyStore } from "../kit/storage/webhook-key-store.ts";
import { openWebhookKeys } from "../kit/webhook-keys.ts";
import { createAuthFlow } from "./auth-flow.ts";
import type { TrueLayerSandboxConfig } from "./config.ts";
import { createDataDesk } from "./data-desk.ts";
import { type Settings, settingsShape } from "./domain/settings.ts";
import { createEvents } from "./events.ts";
import { sandboxBrand } from "./http/auth-views.ts";
import { createTrueLayerServer } from "./http/create-truelayer-server.ts";
import { runDueTasks } from "./jobs/task-runner.ts";
import { createConnectionStore } from "./storage/connection-store.ts";
import { createLinkStore } from "./storage/link-store.ts";
import { createPostedStore } from "./storage/posted-store.ts";
import type { TrueLayerTables } from "./storage/tables.ts";
import { createTaskStore } from "./storage/task-store.ts";
import { createTokenDesk } from "./token-desk.ts";
import { signingHeaders, webhookSchedule } from "./webhook-signing.ts";

const pollEveryMs = 250;
const sweepEveryMs = 10 * 60 * 1000;

/** Builds the sandbox from its configuration, making the webhook key at the first start. */
export function buildTrueLayerSandbox(config: TrueLayerSandboxConfig, parts: BuildParts): Promise<Sandbox> {
  return openSandbox<TrueLayerTables>(sandboxBrand.id, config, parts, async (base) => {
    const { db } = base;
    const { clock, log } = parts;
    const stores = openStores(db);
    const moment = sandboxClock(stores.control, clock);
    const keys = await openWebhookKeys({
      store: createWebhookKeyStore(db),
      box: base.box,
      clock,
      kind: "secp521r1",
    });
    const origin = config.SANDBOX_ORIGIN;
    const app = {
      clientId: config.TRUELAYER_CLIENT_ID,
      clientSecret: config.TRUELAYER_CLIENT_SECRET,
      redirectUris: config.TRUELAYER_REDIRECT_URIS,
    };
    const shared = { ...stores, moment, clock, origin, log, keys, app, tokenPepper: base.key("tokens") };
    const flow = createAuthFlow(shared);
    const data = createDataDesk({ origin, clientId: app.clientId, posted: stores.posted });
    const defaults = { url: config.TRUELAYER_WEBHOOK_URL ?? null, mode: config.TRUELAYER_WEBHOOK_MODE };
    const server = createTrueLayerServer({
      ...shared,
      flow,
      data,
      desk: createTokenDesk({ ...shared, flow }),
      events: createEvents({ ...shared, defaults }),
      csrf: createCsrf({ key: base.key("csrf"), siteId: sandboxBrand.id, secure: origin.startsWith("https:") }),
      appName: config.TRUELAYER_APP_NAME,
      controlKey: config.SANDBOX_CONTROL_KEY,
      isReady: () => db.isReady(),
    });
    const hmac = { header: config.TRUELAYER_WEBHOOK_HMAC_HEADER, secret: config.TRUELAYER_WEBHOOK_SECRET ?? null };
    const sending: WebhookSending<Settings> = {
      ...shared,
      schedule: webhookSchedule,
      userAgent: "truelayer-webhooks",
      headersOf: (delivery, signing) => signingHeaders({ keys, origin, hmac }, delivery, signing),
    };
    return base.start(server, [
      { label: "webhooks", intervalMs: pollEveryMs, work: (signal) => sendDueWebhooks(sending, signal) },
      { label: "asynchronous calls", intervalMs: pollEveryMs, work: () => runDueTasks({ ...shared, data }) },
      { label: "left-overs", intervalMs: sweepEveryMs, work: () => sweep(stores, clock.now()) },
    ]);
  });
}

function openStores(db: SandboxBase<TrueLayerTables>["db"]) {
  return {
    control: createControlStore(db, settingsShape),
    links: createLinkStore(db),
    connections: createConnectionStore(db),
    posted: createPostedStore(db),
    tasks: createTaskStore(db),
    deliveries: createDeliveryStore(db),
  };
}

/** Ended links and codes are kept a day, so that their second use is told as such; webhooks and tasks four. */
async function sweep(stores: ReturnType<typeof openStores>, now: Date): Promise<void> {
  const daysAgo = (days: number) => new Date(now.getTime() - days * dayMs);
  await stores.links.sweep(daysAgo(1));
  await stores.connections.sweepCodes(daysAgo(1));
  await stores.tasks.sweep(daysAgo(4));
  await stores.deliveries.sweep(daysAgo(4));
}
