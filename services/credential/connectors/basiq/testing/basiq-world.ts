import {
  type RunningBasiq,
  startBasiq,
  testApplication,
  visitConsent,
} from "../../../../sandbox/basiq/testing/start-basiq.ts";
import type { ReceivedWebhook } from "../../../../sandbox/kit/testing/webhook-receiver.ts";
import { type CredentialWorld, createCredentialWorld, type Replica } from "../../../testing/credential-world.ts";
import type { ConnectionAccess, Connector, ConsentRequest, Grant, ProviderCall } from "../../connector.ts";
import type { TransactionPage } from "../../provider-data.ts";
import type { RawWebhook, WebhookReader } from "../../webhook-reader.ts";

/** A consent as the tests ask for it. */
export const start: ConsentRequest = {
  institutionId: "AU00000",
  redirectUri: testApplication.redirectUrl,
  state: "state-of-the-test",
  userReference: "ab".repeat(32),
};

/** Basiq's stand-in and replicas of the service that share its tokens. */
export interface BasiqWorld {
  readonly basiq: RunningBasiq;
  readonly world: CredentialWorld;
  readonly replica: Replica;
  readonly connector: Connector;
  readonly webhooks: WebhookReader;
  /** From the first day there is. */
  readonly from: Date;
  call(timeoutMs?: number): ProviderCall;
  /** Connects a new user and waits for his data. */
  connect(connector?: Connector): Promise<Grant>;
  /** All pages from a cursor on. */
  syncAll(access: ConnectionAccess, cursor?: string): Promise<{ pages: TransactionPage[]; cursor: string }>;
  /** The id of the only connection of a user. */
  connectionId(userId: string): Promise<string>;
  stop(): Promise<void>;
}

/** The settings that point the connector at a sandbox. */
export function basiqSettingsFor(origin: string): Record<string, string> {
  return {
    BASIQ_API_KEY: testApplication.apiKey,
    BASIQ_BASE_URL: origin,
    BASIQ_CONSENT_URL: `${origin}/home`,
    BASIQ_WEBHOOK_SECRET: testApplication.webhookSecret,
  };
}

/** Starts it all. */
export async function startBasiqWorld(options: { settings?: Record<string, string> } = {}): Promise<BasiqWorld> {
  const basiq = await startBasiq();
  const world = await createCredentialWorld({ settings: { ...basiqSettingsFor(basiq.origin), ...options.settings } });
  // One time for both, and what happens at Basiq happens after what was done here.
  basiq.clock.advance(world.clock.now().getTime() - basiq.clock.now().getTime());
  const replica = await world.startReplica({ providerTimeoutMs: 5_000 });
  const connector = basiqOf(replica);
  const from = new Date(basiq.clock.now().getTime() - 730 * 86_400_000);
  const call = (timeoutMs = 5_000) => ({ now: basiq.clock.now(), timeoutMs });
  return {
    basiq,
    world,
    replica,
    connector,
    webhooks: must(connector.webhook),
    from,
    call,
    connect: async (by = connector) => {
      const begun = await by.begin(start, call());
      const facts = must(by.readCallback?.(await visitConsent(begun.authUrl ?? "")));
      const grant = await by.complete({ ...start, iss: "", code: facts.code, proofs: begun.proofs }, call());
      await basiq.jobOver(facts.code);
      return grant;
    },
    syncAll: async (access, cursor = "") => {
      const pages: TransactionPage[] = [];
      for (let at = cursor; pages.length < 100; ) {
        const page = must(await connector.syncTransactions?.(access, { cursor: at, from }, call()));
        pages.push(page);
        at = page.nextCursor;
        if (page.restart !== undefined || !page.hasMore) return { pages, cursor: at };
      }
      throw new Error("pages without end");
    },
    connectionId: async (userId) => {
      const [connection] = (await basiq.ask("GET", `/users/${userId}/connections`)).body["data"] as { id: string }[];
      return must(connection).id;
    },
    stop: async () => {
      await world.close();
      await basiq.stop();
    },
  };
}

/** A replica's connector. */
export function basiqOf(replica: Replica): Connector {
  return must(replica.deps.connectors.get("basiq"));
}

/** What opens a grant's accounts. */
export function accessOf(grant: Grant): ConnectionAccess {
  const { accessToken, institutionId, providerReference, ownerReference } = grant;
  return { accessToken, institutionId, providerReference, ownerReference };
}

/** A received webhook as the pipeline hands it to a reader. */
export function rawOf(webhook: ReceivedWebhook, reader: WebhookReader, receivedAt: Date): RawWebhook {
  const headers = Object.fromEntries(reader.headers.map((name) => [name, String(webhook.headers[name] ?? "")]));
  return { body: Buffer.from(webhook.raw), headers, path: webhook.path, receivedAt };
}

/** What has to be there in a test. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}
