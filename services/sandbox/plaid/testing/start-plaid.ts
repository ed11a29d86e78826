import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import pino from "pino";
import { Configuration, PlaidApi } from "plaid";
import { readConfig } from "../../../platform/config/read-config.ts";
import { createTestDatabase } from "../../../platform/testing/postgres.ts";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import { buildPlaid, type PlaidSandbox } from "../build-plaid.ts";
import { plaidSandboxConfig } from "../config.ts";
import { freePort } from "./free-port.ts";

const secrets = { clientId: "client-of-the-test", secret: "secret-of-the-test", control: "control-of-the-test" };

/** A webhook as it arrived. */
export interface ReceivedWebhook {
  readonly raw: string;
  readonly body: Record<string, unknown>;
  readonly verification: string | undefined;
}

/** A sandbox on a port of its own, with a receiver for its webhooks. */
export interface RunningPlaid {
  readonly origin: string;
  readonly clock: ManualClock;
  readonly client: PlaidApi;
  readonly webhookUrl: string;
  readonly received: ReceivedWebhook[];
  /** What the receiver answers to the next webhooks of a code; 200 when nothing is left. */
  readonly answers: Map<string, number[]>;
  control<T>(method: string, path: string, body?: object): Promise<{ status: number; body: T }>;
  /** Posts to the API with the application's credentials. */
  call(path: string, body: object): Promise<Response>;
  /** Waits for a webhook of this code that nobody waited for yet. */
  webhook(code: string): Promise<ReceivedWebhook>;
  stop(): Promise<void>;
}

/** Starts one. `onAnswer` sees every JSON answer of the API. */
export async function startPlaid(
  options: { onAnswer?: (path: string, status: number, body: string) => void; env?: Record<string, string> } = {},
): Promise<RunningPlaid> {
  const directory = new URL("../storage/migrations/", import.meta.url);
  const database = await createTestDatabase({ schema: "sandbox_plaid", directory });
  const clock = new ManualClock(new Date());
  const receiver = await startReceiver();
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const config = readConfig(plaidSandboxConfig, {
    PAYMESH_ENV: "local",
    SANDBOX_ORIGIN: origin,
    DATABASE_URL: database.url,
    PLAID_CLIENT_ID: secrets.clientId,
    PLAID_SECRET: secrets.secret,
    SANDBOX_CONTROL_KEY: secrets.control,
    SANDBOX_DATA_KEY: "d".repeat(32),
    PLAID_INITIAL_UPDATE_MS: "0",
    PLAID_HISTORICAL_UPDATE_MS: "0",
    PLAID_REFRESH_MS: "0",
    PLAID_WEBHOOK_RETRY_MS: "50",
    ...options.env,
  });
  const sandbox = await buildPlaid(config, { log: pino({ level: "silent" }), clock });
  watchAnswers(sandbox, options.onAnswer);
  await sandbox.server.listen({ host: "127.0.0.1", port });
  return {
    origin,
    clock,
    ...receiver,
    client: plaidClient(origin),
    control: (method, path, body) => control(`${origin}/_control${path}`, method, body),
    call: (path, body) =>
      fetch(origin + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ client_id: secrets.clientId, secret: secrets.secret, ...body }),
      }),
    async stop() {
      await sandbox.stop();
      await receiver.close();
      await database.drop();
    },
  };
}

function watchAnswers(
  sandbox: PlaidSandbox,
  see: ((path: string, status: number, body: string) => void) | undefined,
): void {
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

async function control<T>(url: string, method: string, body: object | undefined): Promise<{ status: number; body: T }> {
  const answer = await fetch(url, {
    method,
    headers: {
      "x-sandbox-key": secrets.control,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
}

async function startReceiver() {
  const received: ReceivedWebhook[] = [];
  const answers = new Map<string, number[]>();
  const awaited = new Set<ReceivedWebhook>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const raw = Buffer.concat(chunks).toString("utf8");
      const verification = request.headers["plaid-verification"];
      const body = JSON.parse(raw);
      received.push({ raw, body, verification: [verification].flat()[0] });
      response.writeHead(answers.get(body.webhook_code)?.shift() ?? 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is one
  return {
    received,
    answers,
    webhookUrl: `http://127.0.0.1:${port}/hook`,
    async webhook(code: string) {
      const deadline = Date.now() + 10_000;
      for (;;) {
        const found = received.find((each) => each.body["webhook_code"] === code && !awaited.has(each));
        if (found) {
          awaited.add(found);
          return found;
        }
        if (Date.now() > deadline)
          throw new Error(`no webhook ${code}; got ${received.map((each) => each.body["webhook_code"])}`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
