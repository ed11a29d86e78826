import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import pino from "pino";
import { readConfig } from "../../../platform/config/read-config.ts";
import { createTestDatabase } from "../../../platform/testing/postgres.ts";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import { buildTrueLayerSandbox } from "../build-sandbox.ts";
import { trueLayerSandboxConfig } from "../config.ts";

/** The app of the tests. */
export const app = { clientId: "app-of-the-test", clientSecret: "a-secret-of-the-test" };
const controlKey = "control-key-of-the-test";
/** Where the app wants people back. */
export const redirectUri = "http://127.0.0.1:9/callback";
/** The secret of webhooks in mode `hmac`. */
export const hmacSecret = "webhook-secret-of-the-test";

/** An answer with its body as JSON, where it is one. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** A pair of tokens. */
export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

/** A running sandbox with its database and clock. */
export interface SandboxWorld {
  readonly origin: string;
  readonly clock: ManualClock;
  call(path: string, init?: RequestInit): Promise<Answer>;
  /** A call with an access token. */
  read(path: string, accessToken: string): Promise<Answer>;
  /** A call to the token endpoint as the app. */
  token(fields: Readonly<Record<string, string>>): Promise<Answer>;
  control(method: string, path: string, body?: object): Promise<Answer>;
  link(parameters?: Readonly<Record<string, string>>): string;
  /** Consents by the control API; the code. */
  code(options?: {
    parameters?: Readonly<Record<string, string>>;
    providerId?: string;
    username?: string;
  }): Promise<string>;
  connect(options?: Parameters<SandboxWorld["code"]>[0]): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Answer>;
  close(): Promise<void>;
}

const allScopes = "info accounts balance transactions cards offline_access";

/** Starts a sandbox on a free port. */
export async function startSandboxWorld(env: Readonly<Record<string, string>> = {}): Promise<SandboxWorld> {
  const database = await createTestDatabase({
    schema: "truelayer",
    directory: new URL("../storage/migrations/", import.meta.url),
  });
  const clock = new ManualClock(new Date());
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const config = readConfig(trueLayerSandboxConfig, {
    PAYMESH_ENV: "local",
    SANDBOX_ORIGIN: origin,
    SANDBOX_CONTROL_KEY: controlKey,
    TRUELAYER_CLIENT_ID: app.clientId,
    TRUELAYER_CLIENT_SECRET: app.clientSecret,
    TRUELAYER_REDIRECT_URIS: redirectUri,
    TRUELAYER_WEBHOOK_SECRET: hmacSecret,
    DATABASE_URL: database.url,
    ...env,
  });
  const sandbox = await buildTrueLayerSandbox(config, { log: pino({ level: "silent" }), clock });
  await sandbox.server.listen({ host: "127.0.0.1", port });

  const call = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const answer = await fetch(new URL(path, origin), { redirect: "manual", ...init });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: parsed(text) };
  };
  const control = (method: string, path: string, body?: object) =>
    call(`/_control${path}`, {
      method,
      headers: { "x-sandbox-key": controlKey, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const link = (parameters: Readonly<Record<string, string>> = {}) => {
    const url = new URL("/", origin);
    const all = {
      response_type: "code",
      client_id: app.clientId,
      redirect_uri: redirectUri,
      scope: allScopes,
      nonce: crypto.randomUUID(),
      providers: "uk-ob-all",
      ...parameters,
    };
    for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
    return url.href;
  };
  const token = (fields: Readonly<Record<string, string>>) =>
    call("/connect/token", {
      method: "POST",
      body: new URLSearchParams({ client_id: app.clientId, client_secret: app.clientSecret, ...fields }),
    });
  const code: SandboxWorld["code"] = async ({ parameters, ...who } = {}) => {
    const answer = await control("POST", "/consents", { url: link(parameters), ...who });
    return new URL(String(answer.body["redirectTo"])).searchParams.get("code") ?? "";
  };
  return {
    origin,
    clock,
    call,
    control,
    link,
    token,
    code,
    read: (path, accessToken) => call(path, { headers: { authorization: `Bearer ${accessToken}` } }),
    async connect(options) {
      const fields = { grant_type: "authorization_code", redirect_uri: redirectUri, code: await code(options) };
      return (await token(fields)).body as unknown as Tokens; // the token answer, which the tests look into
    },
    refresh: (refreshToken) => token({ grant_type: "refresh_token", refresh_token: refreshToken }),
    async close() {
      await sandbox.stop();
      await database.drop();
    },
  };
}

/** The `results` of a data answer. */
export function resultsOf(answer: Answer): Record<string, unknown>[] {
  return (answer.body["results"] ?? []) as Record<string, unknown>[]; // as the sandbox answers
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {}; // a page, or nothing
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server always has one
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A webhook as it arrived. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver of webhooks. */
export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** What it answers. */
  status: number;
  close(): Promise<void>;
}

/** Starts a receiver that answers 200 until told otherwise. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // without an encoding, chunks are buffers
    received.push({
      path: request.url ?? "",
      headers: request.headers,
      body: Buffer.concat(chunks).toString("utf8"),
    });
    response.writeHead(receiver.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server always has one
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/hooks/truelayer`,
    received,
    status: 200,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}
