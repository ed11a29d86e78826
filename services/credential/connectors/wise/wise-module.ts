import { readFileSync } from "node:fs";
import { ConfigError } from "../../../platform/config/config-error.ts";
import { isAllowedUrl } from "../../domain/provider-urls.ts";
import type { ConnectorParts } from "../connector-module.ts";
import { connectorModule } from "../connector-module.ts";
import { ProviderError } from "../provider-error.ts";
import type { ProviderHttp } from "../provider-http.ts";
import { type Approval, createApproval } from "./approval.ts";
import { readPublicKeys } from "./public-keys.ts";
import { createSubscriptions, type Subscriptions } from "./subscriptions.ts";
import type { WebhookKeySource } from "./webhook.ts";
import { createWiseApi, type WiseApi } from "./wise-api.ts";
import { createWiseConnector } from "./wise-connector.ts";
import { hostsOf, publishedKeyOf, type WiseHosts, type WiseSettings, wiseSettings } from "./wise-settings.ts";

const requiredNames = ["WISE_CLIENT_ID", "WISE_CLIENT_SECRET"] as const;
/** Any of these says that Wise is wanted here. */
const wantedBy = [...requiredNames, "WISE_BASE_URL", "WISE_SCA_KEY_FILE", "WISE_WEBHOOK_URL"] as const;

/** Wise, set up by `WISE_CLIENT_ID` and `WISE_CLIENT_SECRET`. */
export const wiseModule = connectorModule({
  name: "wise",
  settings: wiseSettings,
  limits: { concurrencyMax: 32, requestsPerSecondMax: 20 },
  create: (parts, settings) => {
    if (wantedBy.every((name) => settings[name] === undefined)) return undefined;
    const { WISE_CLIENT_ID: clientId, WISE_CLIENT_SECRET: clientSecret } = settings;
    const hosts = hostsOf(settings);
    const problems = problemsOf(settings, hosts, parts.insecureAllowed);
    const approval = collect(problems, "WISE_SCA_KEY_FILE", () => approvalOf(settings));
    const webhookKeys = collect(problems, "WISE_WEBHOOK_PUBLIC_KEY_FILE", () =>
      keySourceOf(settings, hosts, parts.http),
    );
    if (problems.length > 0 || clientId === undefined || clientSecret === undefined || webhookKeys === undefined) {
      throw new ConfigError(problems);
    }
    const { http, log } = parts;
    log.info({ connector: "wise", mode: settings.WISE_ENV, url: hosts.api }, `Wise runs in ${settings.WISE_ENV} mode`);
    const api = createWiseApi({ http, baseUrl: hosts.api, clientId, clientSecret, approval });
    const subscriptions = subscriptionsOf(parts, settings, { api, clientId, clientSecret });
    const balanceTypes = settings.WISE_BALANCE_TYPES;
    return createWiseConnector({ api, hosts, clientId, balanceTypes, webhookKeys, subscriptions });
  },
});

function problemsOf(settings: WiseSettings, hosts: WiseHosts, insecureAllowed: boolean): string[] {
  const problems = requiredNames.filter((name) => settings[name] === undefined).map((name) => `${name} is not set`);
  const addresses = {
    WISE_BASE_URL: hosts.api,
    WISE_AUTHORIZE_URL: hosts.authorize,
    WISE_WEBHOOK_URL: settings.WISE_WEBHOOK_URL,
  };
  for (const [name, url] of Object.entries(addresses)) {
    if (url !== undefined && !isAllowedUrl(url, insecureAllowed)) problems.push(`${name}: needs https`);
  }
  return problems;
}

/** What `make` gives; a file that cannot be used becomes a problem, told without anything it holds. */
function collect<T>(problems: string[], name: string, make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    problems.push(`${name}: ${error instanceof RangeError ? error.message : "cannot be read"}`);
    return undefined;
  }
}

function approvalOf(settings: WiseSettings): Approval | undefined {
  const file = settings.WISE_SCA_KEY_FILE;
  return file === undefined
    ? undefined
    : createApproval(readFileSync(file, "utf8"), settings.WISE_SCA_SIGNATURE_HEADER);
}

function keySourceOf(settings: WiseSettings, hosts: WiseHosts, http: ProviderHttp): WebhookKeySource {
  const file = settings.WISE_WEBHOOK_PUBLIC_KEY_FILE;
  if (file !== undefined) return { kind: "known", publicKeys: readPublicKeys(readFileSync(file, "utf8")) };
  const url = hosts.webhookKeys;
  if (url === undefined) return { kind: "known", publicKeys: [publishedKeyOf(settings)] };
  return {
    kind: "fetched",
    fetch: async (call) => {
      const { status, text } = await http.send({ url, method: "GET" }, call);
      if (status !== 200) throw new ProviderError("unavailable", { detail: `status ${status}` });
      try {
        return readPublicKeys(text);
      } catch {
        throw new ProviderError("unavailable", { detail: "no webhook keys" });
      }
    },
  };
}

function subscriptionsOf(
  parts: ConnectorParts,
  settings: WiseSettings,
  own: { readonly api: WiseApi; readonly clientId: string; readonly clientSecret: string },
): Subscriptions | undefined {
  const webhookUrl = settings.WISE_WEBHOOK_URL;
  const tokens = parts.providerTokens;
  if (webhookUrl === undefined || tokens === undefined) return undefined;
  const clientKey = settings.WISE_CLIENT_KEY ?? own.clientId;
  return createSubscriptions({ ...own, tokens, clientKey, webhookUrl, log: parts.log });
}
