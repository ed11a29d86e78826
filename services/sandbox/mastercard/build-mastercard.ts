import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { ConfigError } from "../../platform/config/config-error.ts";
import { createCsrf } from "../../platform/pages/csrf.ts";
import { dayMs } from "../kit/domain/calendar.ts";
import { sendDueWebhooks, type WebhookSending } from "../kit/jobs/send-webhooks.ts";
import { type BuildParts, openSandbox, type Sandbox, type SandboxBase } from "../kit/open-sandbox.ts";
import { sandboxClock } from "../kit/sandbox-clock.ts";
import { createControlStore } from "../kit/storage/control-store.ts";
import { createDeliveryStore } from "../kit/storage/delivery-store.ts";
import { createWebhookKeyStore } from "../kit/storage/webhook-key-store.ts";
import { openWebhookKeys } from "../kit/webhook-keys.ts";
import { accountView, createAccountDesk } from "./account-desk.ts";
import type { MastercardSandboxConfig } from "./config.ts";
import { createConnectFlow } from "./connect-flow.ts";
import { type Settings, settingsShape } from "./domain/settings.ts";
import { connectBrand } from "./http/connect-pages.ts";
import { createMastercardServer } from "./http/create-mastercard-server.ts";
import { createPartner } from "./partner.ts";
import { createAccountStore } from "./storage/account-store.ts";
import { createConnectStore } from "./storage/connect-store.ts";
import { createCustomerStore } from "./storage/customer-store.ts";
import { createLoginStore } from "./storage/login-store.ts";
import { createPartnerStore } from "./storage/partner-store.ts";
import { createPostedStore } from "./storage/posted-store.ts";
import { createSubscriptionStore } from "./storage/subscription-store.ts";
import type { MastercardTables } from "./storage/tables.ts";
import { webhookHeaders, webhookSchedule } from "./webhook-signing.ts";

const pollEveryMs = 250;
const sweepEveryMs = 10 * 60 * 1000;
const keptDays = 4;

/** Builds the sandbox from its configuration, keeping the partner's secret and making a webhook key at the first start. */
export function buildMastercard(config: MastercardSandboxConfig, parts: BuildParts): Promise<Sandbox> {
  return openSandbox<MastercardTables>("sandbox-mastercard", config, parts, async (base) => {
    const { clock, log } = parts;
    const stores = openStores(base.db, clock);
    const moment = sandboxClock(stores.control, clock);
    const origin = config.SANDBOX_ORIGIN;
    const partnerId = config.OPEN_BANKING_PARTNER_ID;
    const partner = createPartner({
      partnerId,
      appKey: config.OPEN_BANKING_APP_KEY,
      store: stores.partners,
      box: base.box,
      tokenPepper: base.key("tokens"),
      moment,
    });
    await partner.begin(config.OPEN_BANKING_PARTNER_SECRET);
    const keyStore = createWebhookKeyStore(base.db);
    const given = givenKey(config);
    const keys = await openWebhookKeys({ store: keyStore, box: base.box, clock, kind: "prime256v1", given });
    const tokenPepper = base.key("links");
    const shared = { ...stores, moment, clock, log, origin, partner, partnerId, keys };
    const server = createMastercardServer({
      ...shared,
      flow: createConnectFlow({ ...shared, tokenPepper, tellAccounts: (accounts) => accounts.map(accountView) }),
      desk: createAccountDesk(stores.posted),
      csrf: createCsrf({ key: base.key("csrf"), siteId: connectBrand.id, secure: origin.startsWith("https:") }),
      controlKey: config.SANDBOX_CONTROL_KEY,
      redirectUris: config.OPEN_BANKING_REDIRECT_URIS,
      isReady: () => base.db.isReady(),
    });
    const sending: WebhookSending<Settings> = {
      ...shared,
      schedule: webhookSchedule,
      userAgent: "Finicity-Webhooks/1.0",
      headersOf: (delivery, signing) => webhookHeaders(shared, delivery, signing),
    };
    return base.start(server, [
      { label: "webhooks", intervalMs: pollEveryMs, work: (signal) => sendDueWebhooks(sending, signal) },
      { label: "aggregations", intervalMs: pollEveryMs, work: () => aggregateDue(shared) },
      {
        label: "authorizations that end",
        intervalMs: pollEveryMs,
        work: async () => stores.logins.sweepAuthorizations((await moment()).now),
      },
      { label: "left-overs", intervalMs: sweepEveryMs, work: () => sweep(stores, clock.now()) },
    ]);
  });
}

/** Throws a `ConfigError` for a file that holds no private key on P-256. */
function givenKey({ OPEN_BANKING_WEBHOOK_KEY_FILE: file }: MastercardSandboxConfig): KeyObject | undefined {
  if (file === undefined) return undefined;
  try {
    const key = createPrivateKey(readFileSync(file));
    if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key;
  } catch {
    // Told below: the reason may quote the file.
  }
  throw new ConfigError(["OPEN_BANKING_WEBHOOK_KEY_FILE: needs a private key on P-256 in PEM"]);
}

function openStores(db: SandboxBase<MastercardTables>["db"], clock: BuildParts["clock"]) {
  return {
    control: createControlStore(db, settingsShape),
    deliveries: createDeliveryStore(db),
    partners: createPartnerStore(db),
    customers: createCustomerStore(db),
    sessions: createConnectStore(db, clock),
    logins: createLoginStore(db, clock),
    accounts: createAccountStore(db),
    posted: createPostedStore(db),
    subscriptions: createSubscriptionStore(db),
  };
}

type Stores = ReturnType<typeof openStores>;

async function aggregateDue(deps: Stores & { moment: WebhookSending<Settings>["moment"] }): Promise<void> {
  const { settings, now } = await deps.moment();
  await deps.accounts.aggregateDue(now, new Date(now.getTime() + settings.aggregationSeconds * 1_000));
}

/** Ended links are kept as long as their webhooks may still go out. */
async function sweep(stores: Stores, now: Date): Promise<void> {
  const before = new Date(now.getTime() - keptDays * dayMs);
  await stores.sessions.sweep(before);
  await stores.partners.sweepTokens(before);
  await stores.deliveries.sweep(before);
}
