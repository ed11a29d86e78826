import { hkdfSync } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { openDatabase } from "../../platform/db/open-database.ts";
import { every } from "../../platform/jobs/every.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createSealedBox } from "../../platform/vault/sealed-box.ts";
import { createWebhookSigner } from "./clients/webhook-signer.ts";
import type { PlaidSandboxConfig } from "./config.ts";
import { expirationNoticeDays } from "./domain/item.ts";
import { createPlaidServer } from "./http/create-plaid-server.ts";
import { deliverWebhooks } from "./jobs/deliver-webhooks.ts";
import { createControlStore } from "./storage/control-store.ts";
import { createFeedStore } from "./storage/feed-store.ts";
import { createItemStore } from "./storage/item-store.ts";
import { createKeyStore } from "./storage/key-store.ts";
import { createLinkStore } from "./storage/link-store.ts";
import type { PlaidTables } from "./storage/tables.ts";
import { createWebhookStore } from "./storage/webhook-store.ts";
import { createTokens } from "./tokens.ts";

const feedEveryMs = 250;
const deliverEveryMs = 200;
const consentEveryMs = 1_000;
const dayMs = 86_400_000;

/** A built sandbox, not yet listening. `stop` ends its work and closes the database. */
export interface PlaidSandbox {
  readonly server: FastifyInstance;
  stop(): Promise<void>;
}

/** Builds the sandbox from its configuration. */
export async function buildPlaid(
  config: PlaidSandboxConfig,
  parts: { log: Logger; clock: Clock },
): Promise<PlaidSandbox> {
  const { log, clock } = parts;
  const key = (purpose: string) =>
    Buffer.from(hkdfSync("sha256", config.SANDBOX_DATA_KEY, "", `sandbox-plaid ${purpose}`, 32));
  const db = openDatabase<PlaidTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: "sandbox-plaid",
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  const box = createSealedBox({ keys: new Map([["1", key("sealing")]]), currentKeyId: "1" });
  const stores = {
    items: createItemStore(db),
    feed: createFeedStore(db),
    links: createLinkStore(db),
    keys: createKeyStore(db),
    webhooks: createWebhookStore(db),
    control: createControlStore(db),
  };
  const signer = createWebhookSigner(stores.keys, box);
  await signer.begin(clock.now());
  const server = createPlaidServer({
    ...stores,
    signer,
    tokens: createTokens(key("tokens"), box),
    clock,
    client: { id: config.PLAID_CLIENT_ID, secret: config.PLAID_SECRET },
    controlKey: config.SANDBOX_CONTROL_KEY,
    origin: config.SANDBOX_ORIGIN,
    redirectUris: config.PLAID_REDIRECT_URIS,
    initialUpdateMs: config.PLAID_INITIAL_UPDATE_MS,
    refreshMs: config.PLAID_REFRESH_MS,
    csrfKey: key("csrf"),
    log,
    logError: (requestId, cause) => log.error({ requestId, err: cause }, "call failed"),
    isReady: () => db.isReady(),
  });
  const jobs = startJobs(config, { ...stores, signer, clock, log });
  return {
    server,
    async stop() {
      await server.close();
      await Promise.all(jobs.map((job) => job.stop()));
      await db.close();
    },
  };
}

type JobParts = Parameters<typeof deliverWebhooks>[0] & {
  items: ReturnType<typeof createItemStore>;
  feed: ReturnType<typeof createFeedStore>;
  log: Logger;
};

function startJobs(config: PlaidSandboxConfig, parts: Omit<JobParts, "retryBaseMs">) {
  const { clock, log } = parts;
  const times = { historicalMs: config.PLAID_HISTORICAL_UPDATE_MS, regularMs: config.PLAID_REGULAR_UPDATE_MS };
  const retryBaseMs = config.PLAID_WEBHOOK_RETRY_MS;
  const noticeBefore = () => new Date(clock.now().getTime() + expirationNoticeDays * dayMs);
  return [
    every({
      label: "updates of items",
      intervalMs: feedEveryMs,
      work: () => parts.feed.runDue(clock.now(), times),
      log,
    }),
    every({
      label: "webhooks",
      intervalMs: deliverEveryMs,
      work: () => deliverWebhooks({ ...parts, retryBaseMs }),
      log,
    }),
    every({
      label: "consents that end",
      intervalMs: consentEveryMs,
      work: () => parts.items.sweepConsents(clock.now(), noticeBefore()),
      log,
    }),
  ];
}
