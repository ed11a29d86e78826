import { sendDueWebhooks, type WebhookSending } from "../kit/jobs/send-webhooks.ts";
import { type BuildParts, openSandbox, type Sandbox } from "../kit/open-sandbox.ts";
import { sandboxClock } from "../kit/sandbox-clock.ts";
import { createControlStore } from "../kit/storage/control-store.ts";
import { createDeliveryStore } from "../kit/storage/delivery-store.ts";
import { type Access, createAccess } from "./access.ts";
import type { BasiqSandboxConfig } from "./config.ts";
import { createDataDesk } from "./data-desk.ts";
import { derivedUuid } from "./domain/banks.ts";
import { webhookEvents } from "./domain/events.ts";
import { type Settings, settingsShape } from "./domain/settings.ts";
import { type ApiDeps, instantOf } from "./http/api-deps.ts";
import { createBasiqServer } from "./http/create-basiq-server.ts";
import { createConnectionStore } from "./storage/connection-store.ts";
import { createConsentStore } from "./storage/consent-store.ts";
import { createEventStore, type EventStore } from "./storage/event-store.ts";
import { createJobStore } from "./storage/job-store.ts";
import type { BasiqTables } from "./storage/tables.ts";
import { createTokenStore } from "./storage/token-store.ts";
import { createUserStore } from "./storage/user-store.ts";
import { createVisitStore } from "./storage/visit-store.ts";
import { standardHeaders, webhookSchedule } from "./webhook-signing.ts";

const jobsEveryMs = 100;
const deliverEveryMs = 200;
const consentsEveryMs = 1_000;
const sweepEveryMs = 60_000;

/** Builds the sandbox from its configuration. */
export function buildBasiq(config: BasiqSandboxConfig, parts: BuildParts): Promise<Sandbox> {
  return openSandbox<BasiqTables>("sandbox-basiq", config, parts, async (base) => {
    const { db, box } = base;
    const { log, clock } = parts;
    const origin = config.SANDBOX_ORIGIN;
    const times = { stepMs: config.BASIQ_JOB_STEP_MS, refreshMs: config.BASIQ_REFRESH_MS };
    const control = createControlStore(db, settingsShape);
    const moment = sandboxClock(control, clock);
    const tokens = createTokenStore(db);
    const connections = createConnectionStore(db, origin);
    const events = createEventStore(db);
    const deps: ApiDeps = {
      users: createUserStore(db, origin),
      tokens,
      consents: createConsentStore(db, origin),
      connections,
      jobs: createJobStore(db, origin, times),
      visits: createVisitStore(db, origin, times),
      events,
      deliveries: createDeliveryStore(db),
      control,
      access: createAccess({ key: base.key("tokens"), box, tokens, moment }),
      desk: createDataDesk(origin, connections),
      moment,
      clock,
      apiKey: config.BASIQ_API_KEY,
      controlKey: config.SANDBOX_CONTROL_KEY,
      applicationName: config.BASIQ_APPLICATION_NAME,
      redirectUrl: config.BASIQ_REDIRECT_URL,
      origin,
      logError: (requestId, cause) => log.error({ requestId, err: cause }, "call failed"),
    };
    await addConfiguredEndpoint(config, deps);
    const isReady = () => db.isReady();
    const server = createBasiqServer({ ...deps, csrfKey: base.key("csrf"), log, isReady });
    return base.start(server, jobsOf(deps, sendingOf(deps, parts)));
  });
}

function jobsOf(deps: ApiDeps, sending: WebhookSending<Settings>) {
  const at = () => instantOf(deps);
  return [
    { label: "jobs", intervalMs: jobsEveryMs, work: async () => deps.jobs.runDue(await at()) },
    { label: "refreshes", intervalMs: consentsEveryMs, work: async () => deps.jobs.refreshDue(await at()) },
    { label: "consents", intervalMs: consentsEveryMs, work: async () => deps.consents.sweep(await at()) },
    { label: "webhooks", intervalMs: deliverEveryMs, work: (signal: AbortSignal) => sendDueWebhooks(sending, signal) },
    {
      label: "what is over",
      intervalMs: sweepEveryMs,
      work: async () => {
        const { now } = await at();
        await Promise.all([deps.tokens.sweep(now), deps.visits.sweep(now)]);
        return 0;
      },
    },
  ];
}

function sendingOf(deps: ApiDeps, { log, clock }: BuildParts): WebhookSending<Settings> {
  return {
    deliveries: deps.deliveries,
    moment: deps.moment,
    clock,
    log,
    schedule: webhookSchedule,
    userAgent: "Basiq-Webhooks/1.0",
    headersOf: async (delivery, signing) => {
      const secret = await secretOf(deps.events, deps.access, delivery.url);
      // An endpoint that was deleted meanwhile has no secret any more.
      return secret === undefined ? {} : standardHeaders(secret, delivery, signing);
    },
    onGivenUp: (delivery) => deps.events.disableEndpoint(delivery.url),
  };
}

async function secretOf(events: EventStore, access: Access, url: string): Promise<string | undefined> {
  const endpoint = await events.findEndpointByUrl(url);
  return endpoint && access.open(endpoint.sealedSecret, endpoint.webhookId);
}

/** The endpoint of the configuration is there from the start, with its secret of now, whatever an earlier start had. */
async function addConfiguredEndpoint(config: BasiqSandboxConfig, deps: ApiDeps): Promise<void> {
  const { BASIQ_WEBHOOK_URL: url, BASIQ_WEBHOOK_SECRET: secret } = config;
  if (url === undefined || secret === undefined) return;
  const earlier = await deps.events.findEndpointByUrl(url);
  if (earlier !== undefined) await deps.events.deleteEndpoint(earlier.webhookId);
  const webhookId = derivedUuid("configured endpoint", url);
  const endpoint = {
    webhookId,
    name: "Configured endpoint",
    description: "",
    url,
    subscribedEvents: webhookEvents,
    status: "active",
    sealedSecret: deps.access.seal(secret, webhookId),
  } as const;
  await deps.events.addEndpoint(endpoint, (await instantOf(deps)).now);
}
