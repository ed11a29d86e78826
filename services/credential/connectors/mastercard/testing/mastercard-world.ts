import { z } from "zod";
import { readConfig } from "../../../../platform/config/read-config.ts";
import { createLogger } from "../../../../platform/telemetry/logger.ts";
import type { ReceivedWebhook } from "../../../../sandbox/kit/testing/webhook-receiver.ts";
import {
  partner,
  type RunningMastercard,
  recordsOf,
  startMastercard,
} from "../../../../sandbox/mastercard/testing/start-mastercard.ts";
import { createProviderTokens } from "../../../flows/provider-tokens.ts";
import { type CredentialWorld, createCredentialWorld, type Replica } from "../../../testing/credential-world.ts";
import { acceptWebhook } from "../../../webhooks/accept-webhook.ts";
import { processWebhooks } from "../../../webhooks/process-webhooks.ts";
import type { ConnectionAccess, Connector, ConsentRequest, Grant, ProviderCall } from "../../connector.ts";
import type { TransactionPage } from "../../provider-data.ts";
import { openProviderHttp, type ProviderHttp } from "../../provider-http.ts";
import type { RawWebhook } from "../../webhook-reader.ts";
import { mastercardModule } from "../mastercard-module.ts";
import { mastercardSettings } from "../mastercard-settings.ts";

/** A consent as the tests ask for it. */
export const start: ConsentRequest = {
  institutionId: "",
  redirectUri: "http://127.0.0.1:65000/api/connectors/mastercard/callback",
  state: "state-of-the-test",
  userReference: "ab".repeat(32),
};

/** What a connector of its own may have. */
export interface ConnectorOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the true one; it may change answers on their way. */
  readonly http?: ProviderHttp;
}

/** Who consents to what. */
export interface Consent {
  readonly institutionId?: string;
  readonly username?: string;
  readonly userReference?: string;
}

/** The Mastercard sandbox, the credential service set up for it, and a connector. */
export interface MastercardWorld {
  readonly sandbox: RunningMastercard;
  readonly world: CredentialWorld;
  readonly replica: Replica;
  readonly http: ProviderHttp;
  readonly connector: Connector;
  /** What points a connector at the sandbox. */
  readonly settings: Readonly<Record<string, string>>;
  /** The connector as the service makes it, with the tokens all replicas share. */
  makeConnector(options?: ConnectorOptions): Connector;
  call(timeoutMs?: number): ProviderCall;
  /** Follows a link without a browser; the query that comes back. */
  visit(authUrl: string, consent?: Consent): Promise<URLSearchParams>;
  /** Connects a login, a user of his own each time unless told. */
  connect(consent?: Consent): Promise<Grant>;
  /** All pages of a run. */
  sync(access: ConnectionAccess, cursor?: string, by?: Connector): Promise<TransactionPage[]>;
  /** The customer's accounts as the sandbox tells them. */
  accounts(customerId: string): Promise<readonly Record<string, unknown>[]>;
  /** Has the service take a webhook, and work it off. */
  deliver(webhook: ReceivedWebhook): Promise<void>;
  close(): Promise<void>;
}

let users = 0;

/** The settings that point the connector at a sandbox. */
export function mastercardSettingsFor(sandbox: RunningMastercard, publicKey: string): Record<string, string> {
  return {
    OPEN_BANKING_PARTNER_ID: partner.id,
    OPEN_BANKING_PARTNER_SECRET: partner.secret,
    OPEN_BANKING_APP_KEY: partner.appKey,
    OPEN_BANKING_BASE_URL: sandbox.origin,
    OPEN_BANKING_CUSTOMER_TYPE: "testing",
    OPEN_BANKING_WEBHOOK_URL: sandbox.receiver.url,
    OPEN_BANKING_WEBHOOK_PUBLIC_KEY: publicKey,
  };
}

/** Starts it all. */
export async function startMastercardWorld(): Promise<MastercardWorld> {
  const sandbox = await startMastercard();
  const publicKey = (await sandbox.call("/webhook-key.pem")).text;
  const settings = mastercardSettingsFor(sandbox, publicKey);
  const world = await createCredentialWorld({ settings });
  const replica = await world.startReplica();
  const http = openProviderHttp();
  const { storage, clock, log } = replica.deps;
  const providerTokens = createProviderTokens({ storage, log, clock, holder: "connector-of-the-test" });
  const parts = {
    banks: { find: () => undefined, list: () => [] },
    providerClients: { find: async () => undefined },
    providerTokens,
    insecureAllowed: true,
    clock,
    log: createLogger({ service: "credential", destination: { write: (line) => world.logLines.push(line) } }),
  };
  const makeConnector = (options: ConnectorOptions = {}) => {
    const env = { PAYMESH_ENV: "local", ...settings, ...options.env };
    const read = readConfig(z.object(mastercardSettings), env);
    return must(mastercardModule.create({ ...parts, http: options.http ?? http }, read));
  };
  const connector = makeConnector();
  const call = (timeoutMs = 5_000) => ({ now: clock.now(), timeoutMs });
  const visit: MastercardWorld["visit"] = async (link, { institutionId, username } = {}) => {
    const answer = await sandbox.control("POST", "/consents", {
      link,
      ...(institutionId !== undefined && { institutionId }),
      ...(username !== undefined && { username }),
    });
    if (answer.status !== 200) throw new Error(answer.text);
    return new URL(String(answer.body["redirectTo"])).searchParams;
  };
  return {
    sandbox,
    world,
    replica,
    http,
    connector,
    settings: { PAYMESH_ENV: "local", ...settings },
    makeConnector,
    call,
    visit,
    connect: async (consent = {}) => {
      users += 1;
      const request = { ...start, userReference: consent.userReference ?? users.toString(16).padStart(64, "0") };
      const begun = await connector.begin(request, call());
      const query = await visit(begun.authUrl ?? "", consent);
      const { code, iss } = must(connector.readCallback?.(query));
      const grant = await connector.complete({ ...request, iss, code, proofs: begun.proofs }, call());
      await sandbox.control("POST", `/customers/${grant.providerReference}/aggregate`);
      return grant;
    },
    sync: async (access, cursor = "", by = connector) => {
      const pages: TransactionPage[] = [];
      for (let next = cursor; pages.length < 100; ) {
        const page = must(await by.syncTransactions?.(access, { cursor: next, from: new Date(0) }, call()));
        pages.push(page);
        if (!page.hasMore) break;
        next = page.nextCursor;
      }
      return pages;
    },
    accounts: async (customerId) =>
      recordsOf(await sandbox.api("GET", `/aggregation/v1/customers/${customerId}/accounts`), "accounts"),
    deliver: async (webhook) => {
      const { deps } = replica;
      const reader = must(deps.connectors.get("mastercard")?.webhook);
      const actor = { name: "public", clientAddress: "127.0.0.1", userAgent: "" };
      const request = rawOf(webhook, reader.headers, clock.now());
      await acceptWebhook(deps, { connector: "mastercard", reader, request, actor, mayAlert: async () => true });
      await processWebhooks(deps, new AbortController().signal);
    },
    close: async () => {
      await http.close();
      await world.close();
      await sandbox.stop();
    },
  };
}

/** What opens a grant's accounts. */
export function accessOf(grant: Grant): ConnectionAccess {
  const { accessToken, institutionId, providerReference, ownerReference } = grant;
  return { accessToken, institutionId, providerReference, ownerReference };
}

/** A received webhook as the pipeline hands it to a reader. */
export function rawOf(webhook: ReceivedWebhook, names: readonly string[], receivedAt: Date): RawWebhook {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = webhook.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  return { body: Buffer.from(webhook.raw), headers, path: webhook.path, receivedAt };
}

/** What has to be there in a test. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}
