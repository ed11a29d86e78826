import pino from "pino";
import { createTestDatabase } from "../../../platform/testing/postgres.ts";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import type { BuildParts, Sandbox } from "../open-sandbox.ts";
import { freePort } from "./free-port.ts";
import { parseJson } from "./parse-json.ts";

const controlKey = "control-key-of-the-test";

/** An answer with its body as JSON, where it is an object of it. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** A sandbox on a port of its own, with its database and clock. */
export interface SandboxInTest {
  readonly origin: string;
  readonly clock: ManualClock;
  readonly sandbox: Sandbox;
  /** A call without credentials; redirects are not followed. */
  call(path: string, init?: RequestInit): Promise<Answer>;
  /** A call below `/_control`. */
  control(method: string, path: string, body?: object): Promise<Answer>;
  stop(): Promise<void>;
}

/** Starts a sandbox in this process. `build` gets the environment that {@link sandboxEnvironment} makes, and `env`. */
export async function startInTest(options: {
  readonly schema: string;
  readonly migrations: URL;
  readonly env: Readonly<Record<string, string>>;
  readonly build: (env: Readonly<Record<string, string>>, parts: BuildParts) => Promise<Sandbox>;
}): Promise<SandboxInTest> {
  const database = await createTestDatabase({ schema: options.schema, directory: options.migrations });
  const clock = new ManualClock(new Date());
  const port = await freePort();
  const env = { ...sandboxEnvironment(database.url, port), ...options.env };
  const sandbox = await options.build(env, { log: pino({ level: "silent" }), clock });
  await sandbox.server.listen({ host: "127.0.0.1", port });
  const origin = env.SANDBOX_ORIGIN;
  const call = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const answer = await fetch(new URL(path, origin), { redirect: "manual", ...init });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: parseJson(text) };
  };
  return {
    origin,
    clock,
    sandbox,
    call,
    control: (method, path, body) =>
      call(`/_control${path}`, {
        method,
        headers: { "x-sandbox-key": controlKey, ...(body !== undefined && { "content-type": "application/json" }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    async stop() {
      await sandbox.stop();
      await database.drop();
    },
  };
}

/** The shared part of a sandbox's environment, for one that listens on this port. */
export function sandboxEnvironment(databaseUrl: string, port: number) {
  return {
    PAYMESH_ENV: "local",
    PORT: String(port),
    SANDBOX_ORIGIN: `http://127.0.0.1:${port}`,
    SANDBOX_CONTROL_KEY: controlKey,
    SANDBOX_DATA_KEY: "d".repeat(32),
    DATABASE_URL: databaseUrl,
  };
}
