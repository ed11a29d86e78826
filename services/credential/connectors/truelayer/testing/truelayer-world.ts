import { z } from "zod";
import { readConfig } from "../../../../platform/config/read-config.ts";
import { createLogger } from "../../../../platform/telemetry/logger.ts";
import {
  type ReceivedWebhook,
  startReceiver,
  type WebhookReceiver,
} from "../../../../sandbox/kit/testing/webhook-receiver.ts";
import {
  app,
  hmacSecret,
  redirectUri,
  type SandboxWorld,
  startSandboxWorld,
} from "../../../../sandbox/truelayer/testing/sandbox-world.ts";
import type { ConnectionAccess, Connector, ConsentRequest, Grant, ProviderCall } from "../../connector.ts";
import { openProviderHttp, type ProviderHttp } from "../../provider-http.ts";
import type { RawWebhook } from "../../webhook-reader.ts";
import { trueLayerModule } from "../truelayer-module.ts";
import { trueLayerSettings } from "../truelayer-settings.ts";

/** A consent as the tests ask for it. */
export const start: ConsentRequest = {
  institutionId: "",
  redirectUri: "http://127.0.0.1:65000/ignored",
  state: "state-of-the-test",
  userReference: "ab".repeat(32),
};

/** Options of a connector of its own. */
export interface ConnectorOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the true one; it may change answers on their way. */
  readonly http?: ProviderHttp;
  readonly logLines?: string[];
  readonly insecureAllowed?: boolean;
}

/** A sandbox, a receiver of its webhooks, and a connector between them. */
export interface TrueLayerWorld {
  readonly sandbox: SandboxWorld;
  readonly receiver: WebhookReceiver;
  readonly http: ProviderHttp;
  readonly connector: Connector;
  call(timeoutMs?: number): ProviderCall;
  /** Consents at the sandbox without a browser; the query that comes back. */
  visit(authUrl: string, who?: { providerId?: string; username?: string; deny?: boolean }): Promise<URLSearchParams>;
  connect(who?: { providerId?: string; username?: string }, connector?: Connector): Promise<Grant>;
  /** The ids of an account of a person at a bank. */
  accountId(who: { kind: string; providerId?: string; username?: string }): Promise<string>;
  /** Posts a transaction onto an account without telling anybody. */
  post(transaction: { accountId: string; amount: number; description: string; pending?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

/** Makes a connector as the service does; undefined when its settings say that TrueLayer is not set up. */
export function makeConnector(http: ProviderHttp, options: ConnectorOptions): Connector | undefined {
  const settings = readConfig(z.object(trueLayerSettings), { PAYMESH_ENV: "local", ...options.env });
  const destination = { write: (line: string) => void options.logLines?.push(line) };
  return trueLayerModule.create(
    {
      http: options.http ?? http,
      banks: { find: () => undefined, list: () => [] },
      providerClients: { find: async () => undefined },
      insecureAllowed: options.insecureAllowed ?? true,
      clock: { now: () => new Date() },
      log: createLogger({ service: "credential", destination }),
    },
    settings,
  );
}

/** The environment of a connector for this sandbox. */
export function environmentFor(origin: string): Readonly<Record<string, string>> {
  return {
    TRUELAYER_ENV: "sandbox",
    TRUELAYER_BASE_URL: origin,
    TRUELAYER_CLIENT_ID: app.clientId,
    TRUELAYER_CLIENT_SECRET: app.clientSecret,
    TRUELAYER_REDIRECT_URI: redirectUri,
    TRUELAYER_WEBHOOK_SECRET: hmacSecret,
  };
}

/** Starts it all on ports of its own. */
export async function startTrueLayerWorld(): Promise<TrueLayerWorld> {
  const sandbox = await startSandboxWorld();
  const receiver = await startReceiver();
  const http = openProviderHttp();
  await sandbox.control("PATCH", "/settings", { webhookUrl: receiver.url });
  const connector = must(makeConnector(http, { env: environmentFor(sandbox.origin) }));
  const call = (timeoutMs = 5_000) => ({ now: sandbox.clock.now(), timeoutMs });
  const visit: TrueLayerWorld["visit"] = async (url, who = {}) => {
    const answer = await sandbox.control("POST", "/consents", { url, ...who });
    return new URL(String(answer.body["redirectTo"])).searchParams;
  };
  return {
    sandbox,
    receiver,
    http,
    connector,
    call,
    visit,
    connect: async (who = {}, by = connector) => {
      const begun = await by.begin(start, call());
      const code = (await visit(begun.authUrl ?? "", who)).get("code") ?? "";
      return await by.complete({ ...start, iss: "", code, proofs: begun.proofs }, call());
    },
    accountId: async ({ kind, providerId = "ob-thames", username = "john" }) => {
      const { people } = (await sandbox.control("GET", "/people")).body as unknown as People;
      const accounts = people.find((each) => each.username === username)?.accounts ?? [];
      return must(accounts.find((each) => each.kind === kind && each.providerId === providerId)).accountId;
    },
    post: async (transaction) => {
      const answer = await sandbox.control("POST", "/transactions", { notify: false, ...transaction });
      if (answer.status !== 201) throw new Error(answer.text);
    },
    stop: async () => {
      await http.close();
      await receiver.close();
      await sandbox.stop();
    },
  };
}

/** As the control API answers `/people`. */
interface People {
  readonly people: readonly {
    readonly username: string;
    readonly accounts: readonly { readonly accountId: string; readonly kind: string; readonly providerId: string }[];
  }[];
}

/** What opens a grant's accounts. */
export function accessOf(grant: Grant): ConnectionAccess {
  const { accessToken, institutionId, providerReference, ownerReference } = grant;
  return { accessToken, institutionId, providerReference, ownerReference };
}

/** A received webhook as the pipeline hands it to a reader that asked for these headers. */
export function rawOf(
  webhook: ReceivedWebhook,
  headers: readonly string[],
  changes: Partial<RawWebhook> = {},
): RawWebhook {
  const kept: Record<string, string> = {};
  for (const name of headers) {
    const value = webhook.headers[name];
    if (typeof value === "string") kept[name] = value;
  }
  return { body: Buffer.from(webhook.raw), headers: kept, path: webhook.path, receivedAt: new Date(), ...changes };
}

/** What has to be there in a test. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}
