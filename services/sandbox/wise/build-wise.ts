import { createCsrf } from "../../platform/pages/csrf.ts";
import { dayMs } from "../kit/domain/calendar.ts";
import { sendDueWebhooks, type WebhookSending } from "../kit/jobs/send-webhooks.ts";
import { type BuildParts, openSandbox, type Sandbox, type SandboxBase } from "../kit/open-sandbox.ts";
import { sandboxClock } from "../kit/sandbox-clock.ts";
import { createControlStore } from "../kit/storage/control-store.ts";
import { createDeliveryStore } from "../kit/storage/delivery-store.ts";
import { createWebhookKeyStore } from "../kit/storage/webhook-key-store.ts";
import { openWebhookKeys } from "../kit/webhook-keys.ts";
import { createApprovals } from "./approvals.ts";
import type { WiseSandboxConfig } from "./config.ts";
import { createConsentFlow } from "./consent-flow.ts";
import { createDataDesk } from "./data-desk.ts";
import { type Settings, settingsShape } from "./domain/settings.ts";
import { createEvents } from "./events.ts";
import { sandboxBrand } from "./http/consent-views.ts";
import { createWiseServer } from "./http/create-wise-server.ts";
import { createApprovalStore } from "./storage/approval-store.ts";
import { createAuthorizationStore } from "./storage/authorization-store.ts";
import { createGrantStore } from "./storage/grant-store.ts";
import { createPostedStore } from "./storage/posted-store.ts";
import { createSubscriptionStore } from "./storage/subscription-store.ts";
import type { WiseTables } from "./storage/tables.ts";
import { createTokenDesk } from "./token-desk.ts";
import { answerTimeoutMs, signingHeaders, webhookSchedule } from "./webhook-signing.ts";

const pollEveryMs = 250;
const sweepEveryMs = 10 * 60 * 1000;

/** Builds the sandbox from its configuration, making the webhook key at the first start. */
export function buildWise(config: WiseSandboxConfig, parts: BuildParts): Promise<Sandbox> {
  return openSandbox<WiseTables>(sandboxBrand.id, config, parts, async (base) => {
    const { db } = base;
    const { clock, log } = parts;
    const stores = openStores(db);
    const moment = sandboxClock(stores.control, clock);
    const keys = await openWebhookKeys({ store: createWebhookKeyStore(db), box: base.box, clock, kind: "rsa2048" });
    const app = {
      clientId: config.WISE_CLIENT_ID,
      clientSecret: config.WISE_CLIENT_SECRET,
      redirectUris: config.WISE_REDIRECT_URIS,
    };
    const shared = { ...stores, moment, clock, log, keys, app, tokenPepper: base.key("tokens") };
    const approvalDesk = createApprovals(stores);
    if (config.WISE_SCA_PUBLIC_KEY !== undefined) await approvalDesk.register(config.WISE_SCA_PUBLIC_KEY);
    const secure = config.SANDBOX_ORIGIN.startsWith("https:");
    const server = createWiseServer({
      ...shared,
      approvalDesk,
      flow: createConsentFlow(shared),
      desk: createTokenDesk(shared),
      data: createDataDesk(stores),
      events: createEvents({ ...shared, standingUrl: config.WISE_WEBHOOK_URL ?? null }),
      csrf: createCsrf({ key: base.key("csrf"), siteId: sandboxBrand.id, secure }),
      appName: config.WISE_APP_NAME,
      controlKey: config.SANDBOX_CONTROL_KEY,
      isReady: () => db.isReady(),
    });
    const sending: WebhookSending<Settings> = {
      ...shared,
      schedule: webhookSchedule,
      answerTimeoutMs,
      userAgent: "Wise-Webhooks",
      headersOf: (delivery, signing) => signingHeaders(keys, delivery, signing),
    };
    return base.start(server, [
      { label: "webhooks", intervalMs: pollEveryMs, work: (signal) => sendDueWebhooks(sending, signal) },
      { label: "left-overs", intervalMs: sweepEveryMs, work: () => sweep(stores, clock.now()) },
    ]);
  });
}

function openStores(db: SandboxBase<WiseTables>["db"]) {
  return {
    control: createControlStore(db, settingsShape),
    authorizations: createAuthorizationStore(db),
    grants: createGrantStore(db),
    approvals: createApprovalStore(db),
    subscriptions: createSubscriptionStore(db),
    posted: createPostedStore(db),
    deliveries: createDeliveryStore(db),
  };
}

/** Ended pages and one-time tokens are kept a day; webhooks until Wise would have given up, and some days more. */
async function sweep(stores: ReturnType<typeof openStores>, now: Date): Promise<void> {
  const daysAgo = (days: number) => new Date(now.getTime() - days * dayMs);
  await stores.authorizations.sweep(daysAgo(1));
  await stores.approvals.sweep(daysAgo(1));
  await stores.grants.sweep(daysAgo(1));
  await stores.deliveries.sweep(daysAgo(20));
}
