import { readConfig } from "../../../platform/config/read-config.ts";
import { type Answer, type SandboxInTest, startInTest } from "../../kit/testing/start-in-test.ts";
import type { VendorAnswer } from "../../kit/testing/vendor-description.ts";
import { startReceiver, type WebhookReceiver } from "../../kit/testing/webhook-receiver.ts";
import { buildMastercard } from "../build-mastercard.ts";
import { mastercardSandboxConfig } from "../config.ts";

/** The partner of the tests. */
export const partner = { id: "2445580000000", secret: "a-secret-of-the-test-1", appKey: "app-key-of-the-test" };
/** Where Connect ends. */
export const back = "http://127.0.0.1:65000/callback";

/** A sandbox, with a receiver for its webhooks. */
export interface RunningMastercard extends SandboxInTest {
  readonly receiver: WebhookReceiver;
  /** A token of the partner. */
  login(): Promise<string>;
  /** A call with the application's key and a token made once. */
  api(method: string, path: string, body?: object, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Makes another token for the calls to come. */
  renew(): Promise<void>;
  /** A testing customer; its id. */
  customer(username?: string): Promise<string>;
  /** A Connect link of a customer, with the receiver's address. */
  link(customerId: string, more?: object): Promise<string>;
  /** A customer with accounts aggregated. */
  connected(options?: { institutionId?: string; username?: string }): Promise<Connected>;
}

/** What a connected customer has. */
export interface Connected {
  readonly customerId: string;
  readonly accounts: readonly Record<string, unknown>[];
  readonly loginId: string;
}

let usernames = 0;

/** Starts one. `onAnswer` sees every answer of the API, with the path as the vendor writes it. */
export async function startMastercard(
  options: { onAnswer?: (answer: VendorAnswer) => void } = {},
): Promise<RunningMastercard> {
  const receiver = await startReceiver();
  const running = await startInTest({
    schema: "sandbox_mastercard",
    migrations: new URL("../storage/migrations/", import.meta.url),
    env: {
      OPEN_BANKING_PARTNER_ID: partner.id,
      OPEN_BANKING_PARTNER_SECRET: partner.secret,
      OPEN_BANKING_APP_KEY: partner.appKey,
    },
    build: async (env, parts) => {
      const sandbox = await buildMastercard(readConfig(mastercardSandboxConfig, env), parts);
      sandbox.server.addHook("onSend", async (request, reply, payload) => {
        const path = vendorPath(request.routeOptions.url ?? "");
        const body = typeof payload === "string" ? payload : "";
        if (isApi(path)) options.onAnswer?.({ method: request.method, path, status: reply.statusCode, body });
        return payload;
      });
      return sandbox;
    },
  });
  await running.control("PATCH", "/settings", { webhookFirstPauseMs: 1_000, firstAggregationSeconds: 0 });
  return { ...running, receiver, ...partnerCalls(running, receiver), stop: () => stopBoth(running, receiver) };
}

async function stopBoth(running: SandboxInTest, receiver: WebhookReceiver): Promise<void> {
  await running.stop();
  await receiver.close();
}

function partnerCalls(running: SandboxInTest, receiver: WebhookReceiver) {
  const call = (method: string, path: string, body: object | undefined, headers: Readonly<Record<string, string>>) =>
    running.call(path, {
      method,
      headers: {
        "finicity-app-key": partner.appKey,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const login = async () => {
    const credentials = { partnerId: partner.id, partnerSecret: partner.secret };
    return String((await call("POST", "/aggregation/v2/partners/authentication", credentials, {})).body["token"]);
  };
  let token: Promise<string> | undefined;
  const api: RunningMastercard["api"] = async (method, path, body, headers = {}) => {
    token ??= login();
    return call(method, path, body, { "finicity-app-token": await token, ...headers });
  };
  const customer: RunningMastercard["customer"] = async (username) => {
    usernames += 1;
    const answer = await api("POST", "/aggregation/v2/customers/testing", {
      username: username ?? `customer-${usernames}`,
    });
    return String(answer.body["id"]);
  };
  const link: RunningMastercard["link"] = async (customerId, more = {}) => {
    const common = { partnerId: partner.id, customerId, redirectUri: back, webhook: receiver.url };
    return String((await api("POST", "/connect/v2/generate", { ...common, ...more })).body["link"]);
  };
  const connected: RunningMastercard["connected"] = async (consent = {}) => {
    const customerId = await customer();
    await running.control("POST", "/consents", { link: await link(customerId), ...consent });
    const answer = await api("POST", `/aggregation/v1/customers/${customerId}/accounts`, {});
    const accounts = recordsOf(answer, "accounts");
    return { customerId, accounts, loginId: String(accounts[0]?.["institutionLoginId"]) };
  };
  const renew = async () => {
    token = login();
    await token;
  };
  return { login, api, renew, customer, link, connected };
}

/** A list in an answer. */
export function recordsOf(answer: Answer, name: string): Record<string, unknown>[] {
  return (answer.body[name] ?? []) as Record<string, unknown>[]; // as the sandbox answers
}

const renamed: Readonly<Record<string, string>> = {
  ":loginId/authorization-details": "{institution_login_id}/authorization-details",
  ":loginId": "{institutionLoginId}",
  ":id": "{subscription_id}",
  ":eventId": "{webhook_event_id}",
};

function vendorPath(route: string): string {
  const known = Object.entries(renamed).reduce((path, [from, to]) => path.replace(from, to), route);
  return known.replaceAll(/:([A-Za-z]+)/g, "{$1}");
}

function isApi(path: string): boolean {
  return /^\/(aggregation|connect\/v2|institution|customers|notification-subscriptions)\//.test(path);
}
