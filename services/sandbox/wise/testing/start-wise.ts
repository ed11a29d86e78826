import { readConfig } from "../../../platform/config/read-config.ts";
import { type Answer, type SandboxInTest, startInTest } from "../../kit/testing/start-in-test.ts";
import { startReceiver, type WebhookReceiver } from "../../kit/testing/webhook-receiver.ts";
import { buildWise } from "../build-wise.ts";
import { wiseSandboxConfig } from "../config.ts";

/** The application of the tests. */
export const wiseApp = { clientId: "app-of-the-test", clientSecret: "a-secret-of-the-test" };
/** Where the application wants people back. */
export const wiseRedirectUri = "http://127.0.0.1:65000/api/connectors/wise/callback";

/** A pair of tokens. */
export interface WiseTokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

/** A running sandbox, with a receiver for its webhooks and what an application does with it. */
export interface RunningWise extends SandboxInTest {
  readonly receiver: WebhookReceiver;
  /** Where a person begins. */
  link(parameters?: Readonly<Record<string, string>>): string;
  /** A call to the token endpoint as the application. */
  token(fields: Readonly<Record<string, string>>): Promise<Answer>;
  refresh(refreshToken: string): Promise<Answer>;
  /** A call with an access token. */
  read(path: string, accessToken: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Consents by the control API: the query a person comes back with. */
  consent(who?: { username?: string; profile?: string }): Promise<URLSearchParams>;
  connect(who?: { username?: string; profile?: string }): Promise<WiseTokens & { readonly profileId: string }>;
}

/** HTTP Basic of the application. */
export function basicOf(secret = wiseApp.clientSecret): string {
  return `Basic ${Buffer.from(`${wiseApp.clientId}:${secret}`).toString("base64")}`;
}

/** Starts one. */
export async function startWise(env: Readonly<Record<string, string>> = {}): Promise<RunningWise> {
  const receiver = await startReceiver();
  const running = await startInTest({
    schema: "sandbox_wise",
    migrations: new URL("../storage/migrations/", import.meta.url),
    env: {
      WISE_CLIENT_ID: wiseApp.clientId,
      WISE_CLIENT_SECRET: wiseApp.clientSecret,
      WISE_REDIRECT_URIS: wiseRedirectUri,
      WISE_WEBHOOK_URL: receiver.url,
      ...env,
    },
    build: (given, parts) => buildWise(readConfig(wiseSandboxConfig, given), parts),
  });
  const { origin, call, control } = running;
  const link = (parameters: Readonly<Record<string, string>> = {}) => {
    const url = new URL("/oauth/authorize", origin);
    const all = {
      client_id: wiseApp.clientId,
      redirect_uri: wiseRedirectUri,
      state: "state-of-the-test",
      ...parameters,
    };
    for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
    return url.href;
  };
  const token = (fields: Readonly<Record<string, string>>) =>
    call("/oauth/token", {
      method: "POST",
      headers: { authorization: basicOf() },
      body: new URLSearchParams({ client_id: wiseApp.clientId, ...fields }),
    });
  const consent: RunningWise["consent"] = async (who = {}) => {
    const { body } = await control("POST", "/consents", { url: link(), ...who });
    return new URL(String(body["redirectTo"])).searchParams;
  };
  return {
    ...running,
    receiver,
    link,
    token,
    refresh: (refreshToken) => token({ grant_type: "refresh_token", refresh_token: refreshToken }),
    read: (path, accessToken, headers = {}) =>
      call(path, { headers: { authorization: `Bearer ${accessToken}`, ...headers } }),
    consent,
    async connect(who) {
      const back = await consent(who);
      const code = back.get("code") ?? "";
      const answer = await token({ grant_type: "authorization_code", redirect_uri: wiseRedirectUri, code });
      // The token answer, which the tests look into.
      return { ...(answer.body as unknown as WiseTokens), profileId: back.get("profileId") ?? "" };
    },
    async stop() {
      await running.stop();
      await receiver.close();
    },
  };
}
