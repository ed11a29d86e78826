import { readConfig } from "../../../platform/config/read-config.ts";
import { type Answer, type SandboxInTest, startInTest } from "../../kit/testing/start-in-test.ts";
import { buildTrueLayerSandbox } from "../build-sandbox.ts";
import { trueLayerSandboxConfig } from "../config.ts";

/** The app of the tests. */
export const app = { clientId: "app-of-the-test", clientSecret: "a-secret-of-the-test" };
/** Where the app wants people back. */
export const redirectUri = "http://127.0.0.1:9/callback";
/** The secret of webhooks in mode `hmac`. */
export const hmacSecret = "webhook-secret-of-the-test";

/** A pair of tokens. */
export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

/** A running sandbox and what an app does with it. */
export interface SandboxWorld extends SandboxInTest {
  /** A call with an access token. */
  read(path: string, accessToken: string): Promise<Answer>;
  /** A call to the token endpoint as the app. */
  token(fields: Readonly<Record<string, string>>): Promise<Answer>;
  link(parameters?: Readonly<Record<string, string>>): string;
  /** Consents by the control API; the code. */
  code(options?: {
    parameters?: Readonly<Record<string, string>>;
    providerId?: string;
    username?: string;
  }): Promise<string>;
  connect(options?: Parameters<SandboxWorld["code"]>[0]): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Answer>;
}

const allScopes = "info accounts balance transactions cards offline_access";

/** Starts a sandbox on a free port. */
export async function startSandboxWorld(): Promise<SandboxWorld> {
  const running = await startInTest({
    schema: "truelayer",
    migrations: new URL("../storage/migrations/", import.meta.url),
    env: {
      TRUELAYER_CLIENT_ID: app.clientId,
      TRUELAYER_CLIENT_SECRET: app.clientSecret,
      TRUELAYER_REDIRECT_URIS: redirectUri,
      TRUELAYER_WEBHOOK_SECRET: hmacSecret,
    },
    build: (env, parts) => buildTrueLayerSandbox(readConfig(trueLayerSandboxConfig, env), parts),
  });
  const { origin, call, control } = running;
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
    ...running,
    link,
    token,
    code,
    read: (path, accessToken) => call(path, { headers: { authorization: `Bearer ${accessToken}` } }),
    async connect(options) {
      const fields = { grant_type: "authorization_code", redirect_uri: redirectUri, code: await code(options) };
      return (await token(fields)).body as unknown as Tokens; // the token answer, which the tests look into
    },
    refresh: (refreshToken) => token({ grant_type: "refresh_token", refresh_token: refreshToken }),
  };
}

/** The `results` of a data answer. */
export function resultsOf(answer: Answer): Record<string, unknown>[] {
  return (answer.body["results"] ?? []) as Record<string, unknown>[]; // as the sandbox answers
}
