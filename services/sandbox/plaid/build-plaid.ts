import { dayMs } from "../kit/domain/calendar.ts";
import { sendDueWebhooks, type WebhookSending } from "../kit/jobs/send-webhooks.ts";
import { type BuildParts, openSandbox, type Sandbox } from "../kit/open-sandbox.ts";
import { sandboxClock } from "../kit/sandbox-clock.ts";
import { createControlStore } from "../kit/storage/control-store.ts";
import { createDeliveryStore } from "../kit/storage/delivery-store.ts";
import { createWebhookKeyStore } from "../kit/storage/webhook-key-store.ts";
import { openWebhookKeys } from "../kit/webhook-keys.ts";
import type { PlaidSandboxConfig } from "./config.ts";
import { expirationNoticeDays } from "./domain/item.ts";
import { type Settings, settingsShape } from "./domain/settings.ts";
import { createPlaidServer } from "./http/create-plaid-server.ts";
import { createFeedStore } from "./storage/feed-store.ts";
import { createItemStore } from "./storage/item-store.ts";
import { createLinkStore } from "./storage/link-store.ts";
import type { PlaidTables } from "./storage/tables.ts";
import { createTokens } from "./tokens.ts";
import { verificationHeader, webhookSchedule } from "./webhook-signing.ts";

const feedEveryMs = 250;
const deliverEveryMs = 200;
const consentEveryMs = 1_000;

/** Builds the sandbox from its configuration. */
export function buildPlaid(config: PlaidSandboxConfig, parts: BuildParts): Promise<Sandbox> {
  return openSandbox<PlaidTables>("sandbox-plaid", config, parts, async (base) => {
    const { db, box } = base;
    const { log, clock } = parts;
    const [items, feed] = [createItemStore(db), createFeedStore(db)];
    const control = createControlStore(db, settingsShape);
    const deliveries = createDeliveryStore(db);
    const keys = await openWebhookKeys({ store: createWebhookKeyStore(db), box, clock, kind: "prime256v1" });
    const server = createPlaidServer({
      items,
      feed,
      links: createLinkStore(db),
      control,
      deliveries,
      keys,
      tokens: createTokens(base.key("tokens"), box),
      clock,
      client: { id: config.PLAID_CLIENT_ID, secret: config.PLAID_SECRET },
      controlKey: config.SANDBOX_CONTROL_KEY,
      origin: config.SANDBOX_ORIGIN,
      redirectUris: config.PLAID_REDIRECT_URIS,
      initialUpdateMs: config.PLAID_INITIAL_UPDATE_MS,
      refreshMs: config.PLAID_REFRESH_MS,
      csrfKey: base.key("csrf"),
      log,
      logError: (requestId, cause) => log.error({ requestId, err: cause }, "call failed"),
      isReady: () => db.isReady(),
    });
    const sending: WebhookSending<Settings> = {
      deliveries,
      moment: sandboxClock(control, clock),
      clock,
      log,
      schedule: webhookSchedule,
      userAgent: "Plaid/1.0",
      headersOf: (delivery, signing) => verificationHeader(keys, delivery.body, signing),
    };
    const times = { historicalMs: config.PLAID_HISTORICAL_UPDATE_MS, regularMs: config.PLAID_REGULAR_UPDATE_MS };
    const noticeBefore = () => new Date(clock.now().getTime() + expirationNoticeDays * dayMs);
    return base.start(server, [
      { label: "updates of items", intervalMs: feedEveryMs, work: () => feed.runDue(clock.now(), times) },
      { label: "webhooks", intervalMs: deliverEveryMs, work: (signal) => sendDueWebhooks(sending, signal) },
      {
        label: "consents that end",
        intervalMs: consentEveryMs,
        work: () => items.sweepConsents(clock.now(), noticeBefore()),
      },
    ]);
  });
}
