import { Webhook } from "standardwebhooks";
import { readConfig } from "../../../platform/config/read-config.ts";
import { FormBrowser } from "../../../platform/testing/form-browser.ts";
import { type Answer, type SandboxInTest, startInTest } from "../../kit/testing/start-in-test.ts";
import { type ReceivedWebhook, startReceiver, type WebhookReceiver } from "../../kit/testing/webhook-receiver.ts";
import { buildBasiq } from "../build-basiq.ts";
import { basiqSandboxConfig } from "../config.ts";

/** What the sandbox of a test knows its application by. */
export const testApplication = Object.freeze({
  apiKey: "api-key-of-the-test",
  redirectUrl: "http://127.0.0.1:65000/api/connectors/basiq/callback",
  webhookSecret: "whsec_b3VyIHdlYmhvb2sgc2VjcmV0IG9mIHRlc3Rz",
});

const waitMs = 25_000;
const lookEveryMs = 25;

/** A sandbox, with a receiver for its webhooks. */
export interface RunningBasiq extends SandboxInTest {
  readonly receiver: WebhookReceiver;
  /** A new server token. */
  token(): Promise<string>;
  /** A call with a bearer: its own, or one that is always good. */
  ask(method: string, path: string, body?: object, token?: string): Promise<Answer>;
  /** A user without anything. */
  newUser(): Promise<string>;
  /** Waits for a webhook of this type about this user that nobody waited for yet. */
  webhook(type: string, userId: string): Promise<ReceivedWebhook>;
  /** Waits until a job is over. */
  jobOver(jobId: string): Promise<Record<string, unknown>>;
}

/** Starts one, its jobs as fast as they can be. */
export async function startBasiq(env: Readonly<Record<string, string>> = {}): Promise<RunningBasiq> {
  const receiver = await startReceiver();
  const running = await startInTest({
    schema: "sandbox_basiq",
    migrations: new URL("../storage/migrations/", import.meta.url),
    env: {
      BASIQ_API_KEY: testApplication.apiKey,
      BASIQ_REDIRECT_URL: testApplication.redirectUrl,
      BASIQ_WEBHOOK_URL: receiver.url,
      BASIQ_WEBHOOK_SECRET: testApplication.webhookSecret,
      BASIQ_JOB_STEP_MS: "0",
      ...env,
    },
    build: (given, parts) => buildBasiq(readConfig(basiqSandboxConfig, given), parts),
  });
  await running.control("PATCH", "/settings", { webhookFirstPauseMs: 50, tokensPerMinuteMax: 10_000 });
  const token = async () => String((await askToken(running, "scope=SERVER_ACCESS")).body["access_token"]);
  let bearer = await token();
  const send = (method: string, path: string, body: object | undefined, given: string) =>
    running.call(path, {
      method,
      headers: { authorization: `Bearer ${given}`, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const ask = async (method: string, path: string, body?: object, given?: string): Promise<Answer> => {
    const answer = await send(method, path, body, given ?? bearer);
    if (answer.status !== 401 || given !== undefined) return answer;
    // Tests move the clock by more than a token lives.
    bearer = await token();
    return await send(method, path, body, bearer);
  };
  const jobOver = async (jobId: string): Promise<Record<string, unknown>> => {
    const deadline = Date.now() + waitMs;
    for (;;) {
      const { body } = await ask("GET", `/jobs/${jobId}`);
      const steps = body["steps"] as { status: string }[]; // as the API documents a job
      if (steps.every(({ status }) => status === "success") || steps.some(({ status }) => status === "failed")) {
        return body;
      }
      if (Date.now() > deadline) throw new Error("the job did not end");
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
  };
  return {
    ...running,
    receiver,
    token,
    ask,
    jobOver,
    newUser: async () => String((await ask("POST", "/users", { email: "someone@users.example.com" })).body["id"]),
    webhook: (type, userId) =>
      receiver.next(({ body, raw }) => body["eventTypeId"] === type && raw.includes(`/users/${userId}`)),
    async stop() {
      await running.stop();
      await receiver.close();
    },
  };
}

/** A call of `/token`. */
export function askToken(
  running: Pick<SandboxInTest, "call">,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return running.call("/token", {
    method: "POST",
    headers: {
      authorization: `Basic ${testApplication.apiKey}`,
      "basiq-version": "3.0",
      "content-type": "application/x-www-form-urlencoded",
      ...headers,
    },
    body,
  });
}

/** Goes through the consent page as a person does; the query he comes back to the application with. */
export async function visitConsent(
  address: string,
  choices: { bank?: string; loginId?: string; password?: string; button?: string } = {},
): Promise<URLSearchParams> {
  const browser = new FormBrowser();
  const isBack = (location: string) => location.startsWith(testApplication.redirectUrl);
  let page = await browser.open(address);
  if (choices.button !== undefined) {
    return new URL((await browser.press(page, choices.button, {}, isBack)).url).searchParams;
  }
  if (choices.bank !== undefined) page = await browser.press(page, choices.bank);
  const { loginId = "gavinBelson", password = "hooli2016" } = choices;
  page = await browser.press(page, "Sign in", { "User name": loginId, Password: password });
  return new URL((await browser.press(page, "Allow", {}, isBack)).url).searchParams;
}

/** Connects a user at Hooli Bank and waits for his data. */
export async function connectUser(
  basiq: RunningBasiq,
): Promise<{ userId: string; connectionId: string; jobId: string }> {
  const userId = await basiq.newUser();
  const link = await basiq.ask("POST", `/users/${userId}/auth_link`, {});
  const { public: address } = link.body["links"] as { public: string }; // as the API documents a link
  const jobId = (await visitConsent(address, { bank: "Hooli Bank" })).get("jobIds") ?? "";
  await basiq.jobOver(jobId);
  const { body } = await basiq.ask("GET", `/users/${userId}/connections`);
  const [connection] = body["data"] as { id: string }[]; // as the API documents a list
  return { userId, connectionId: connection?.id ?? "", jobId };
}

/** Checks a webhook as Standard Webhooks says, by the library's own reading. Throws when it must not be trusted. */
export function verifyStandard(webhook: ReceivedWebhook, secret: string = testApplication.webhookSecret): void {
  const headers = Object.fromEntries(
    ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, String(webhook.headers[name])]),
  );
  new Webhook(secret).verify(webhook.raw, headers);
}
