import { Configuration, PlaidApi } from "plaid";
import { readConfig } from "../../../platform/config/read-config.ts";
import type { Sandbox } from "../../kit/open-sandbox.ts";
import { type SandboxInTest, startInTest } from "../../kit/testing/start-in-test.ts";
import { type ReceivedWebhook, startReceiver, type WebhookReceiver } from "../../kit/testing/webhook-receiver.ts";
import { buildPlaid } from "../build-plaid.ts";
import { plaidSandboxConfig } from "../config.ts";

const secrets = { clientId: "client-of-the-test", secret: "secret-of-the-test" };

/** A sandbox, with a receiver for its webhooks. */
export interface RunningPlaid extends SandboxInTest {
  readonly client: PlaidApi;
  readonly receiver: WebhookReceiver;
  /** Posts to the API with the application's credentials. */
  post(path: string, body: object): Promise<Response>;
  /** Waits for a webhook of this code that nobody waited for yet. */
  webhook(code: string): Promise<ReceivedWebhook>;
}

/** Starts one. `onAnswer` sees every JSON answer of the API. */
export async function startPlaid(
  options: { onAnswer?: (path: string, status: number, body: string) => void; env?: Record<string, string> } = {},
): Promise<RunningPlaid> {
  const receiver = await startReceiver();
  const running = await startInTest({
    schema: "sandbox_plaid",
    migrations: new URL("../storage/migrations/", import.meta.url),
    env: {
      PLAID_CLIENT_ID: secrets.clientId,
      PLAID_SECRET: secrets.secret,
      PLAID_INITIAL_UPDATE_MS: "0",
      PLAID_HISTORICAL_UPDATE_MS: "0",
      PLAID_REFRESH_MS: "0",
      ...options.env,
    },
    build: async (env, parts) => {
      const sandbox = await buildPlaid(readConfig(plaidSandboxConfig, env), parts);
      watchAnswers(sandbox, options.onAnswer);
      return sandbox;
    },
  });
  await running.control("PATCH", "/settings", { webhookFirstPauseMs: 50 });
  return {
    ...running,
    receiver,
    client: plaidClient(running.origin),
    post: (path, body) =>
      fetch(running.origin + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ client_id: secrets.clientId, secret: secrets.secret, ...body }),
      }),
    webhook: (code) => receiver.next(({ body }) => body["webhook_code"] === code),
    async stop() {
      await running.stop();
      await receiver.close();
    },
  };
}

function watchAnswers(sandbox: Sandbox, see: ((path: string, status: number, body: string) => void) | undefined): void {
  sandbox.server.addHook("onSend", async (request, reply, payload) => {
    const path = request.url.split("?")[0] ?? "";
    const isApi = request.method === "POST" && !path.startsWith("/link/") && !path.startsWith("/_control");
    const isToken = path.startsWith("/link/token/");
    if ((isApi || isToken) && typeof payload === "string") see?.(path, reply.statusCode, payload);
    return payload;
  });
}

function plaidClient(basePath: string): PlaidApi {
  return new PlaidApi(
    new Configuration({
      basePath,
      baseOptions: {
        headers: {
          "PLAID-CLIENT-ID": secrets.clientId,
          "PLAID-SECRET": secrets.secret,
          "Plaid-Version": "2020-09-14",
        },
      },
    }),
  );
}
