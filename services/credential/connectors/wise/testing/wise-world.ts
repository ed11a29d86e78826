import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { readConfig } from "../../../../platform/config/read-config.ts";
import { createLogger } from "../../../../platform/telemetry/logger.ts";
import { type RunningWise, startWise, wiseApp, wiseRedirectUri } from "../../../../sandbox/wise/testing/start-wise.ts";
import type { ConnectionAccess, Connector, ConsentRequest, Grant, ProviderCall } from "../../connector.ts";
import { openProviderHttp, type ProviderHttp } from "../../provider-http.ts";
import { wiseModule } from "../wise-module.ts";
import { wiseSettings } from "../wise-settings.ts";

/** A consent as the tests ask for it. */
export const start: ConsentRequest = {
  institutionId: "wise",
  redirectUri: wiseRedirectUri,
  state: "state-of-the-test",
  userReference: "ab".repeat(32),
};

/** Options of a connector of its own. */
export interface ConnectorOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly logLines?: string[];
  readonly insecureAllowed?: boolean;
}

/** A sandbox that knows our key for strong authentications, and a connector. */
export interface WiseWorld {
  readonly wise: RunningWise;
  readonly http: ProviderHttp;
  readonly connector: Connector;
  /** The environment of the connector. */
  readonly env: Readonly<Record<string, string>>;
  call(timeoutMs?: number): ProviderCall;
  /** Consents without a browser; the query that comes back. */
  visit(authUrl: string, who?: { username?: string; profile?: string; deny?: boolean }): Promise<URLSearchParams>;
  connect(who?: { username?: string; profile?: string }, by?: Connector): Promise<Grant>;
  /** The ids of a person's balances, in the sandbox's order. */
  balanceIds(username?: string): Promise<readonly number[]>;
  stop(): Promise<void>;
}

/** Makes a connector as the service does; undefined when its settings say that Wise is not set up. */
export function makeConnector(http: ProviderHttp, options: ConnectorOptions): Connector | undefined {
  const settings = readConfig(z.object(wiseSettings), { PAYMESH_ENV: "local", ...options.env });
  const destination = { write: (line: string) => void options.logLines?.push(line) };
  return wiseModule.create(
    {
      http,
      banks: { find: () => undefined, list: () => [] },
      providerClients: { find: async () => undefined },
      insecureAllowed: options.insecureAllowed ?? true,
      clock: { now: () => new Date() },
      log: createLogger({ service: "credential", destination }),
    },
    settings,
  );
}

/** Starts a sandbox, with a key pair of this run registered there; its private half lies in a file that `stop` removes. */
export async function startWiseWorld(): Promise<WiseWorld> {
  const wise = await startWise();
  const http = openProviderHttp();
  const directory = await mkdtemp(join(tmpdir(), "paymesh-wise-test-"));
  const env = { ...environmentFor(wise.origin), WISE_SCA_KEY_FILE: await registerKey(wise, directory) };
  const connector = must(makeConnector(http, { env }));
  const call = (timeoutMs = 5_000) => ({ now: wise.clock.now(), timeoutMs });
  const visit: WiseWorld["visit"] = async (url, who = {}) => {
    const answer = await wise.control("POST", "/consents", { url, ...who });
    return new URL(String(answer.body["redirectTo"])).searchParams;
  };
  return {
    wise,
    http,
    connector,
    env,
    call,
    visit,
    connect: async (who = { username: "mira" }, by = connector) => {
      const begun = await by.begin(start, call());
      const { code } = must(by.readCallback)(await visit(must(begun.authUrl), who));
      return await by.complete({ ...start, iss: "", code, proofs: begun.proofs }, call());
    },
    balanceIds: async (username = "mira") => {
      const { people } = (await wise.control("GET", "/people")).body as unknown as People;
      const person = people.find((each) => each.username === username);
      return must(person?.profiles[0]).balances.map((each) => each.balanceId);
    },
    stop: async () => {
      await http.close();
      await wise.stop();
      await rm(directory, { recursive: true });
    },
  };
}

/** The environment of a connector for this sandbox. */
export function environmentFor(origin: string): Record<string, string> {
  return {
    WISE_ENV: "sandbox",
    WISE_BASE_URL: origin,
    WISE_CLIENT_ID: wiseApp.clientId,
    WISE_CLIENT_SECRET: wiseApp.clientSecret,
  };
}

/** Makes a key pair, registers its public half at the sandbox and writes the private one into a folder; the file. */
export async function registerKey(wise: Pick<RunningWise, "control">, directory: string): Promise<string> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await wise.control("PUT", "/sca-key", { publicKey: publicKey.export({ format: "pem", type: "spki" }) });
  const file = join(directory, "sca.pem");
  await writeFile(file, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  return file;
}

/** As the control API answers `/people`. */
interface People {
  readonly people: readonly {
    readonly username: string;
    readonly profiles: readonly { readonly balances: readonly { readonly balanceId: number }[] }[];
  }[];
}

/** What opens a grant's balances. */
export function accessOf(grant: Grant): ConnectionAccess {
  const { accessToken, institutionId, providerReference, ownerReference } = grant;
  return { accessToken, institutionId, providerReference, ownerReference };
}

/** What has to be there in a test. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}
