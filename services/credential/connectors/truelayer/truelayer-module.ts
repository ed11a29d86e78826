import { ConfigError } from "../../../platform/config/config-error.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import { isAllowedUrl } from "../../domain/provider-urls.ts";
import { connectorModule } from "../connector-module.ts";
import { createTrueLayerConnector } from "./truelayer-connector.ts";
import { hostsOf, modeOf, providersOf, type TrueLayerSettings, trueLayerSettings } from "./truelayer-settings.ts";

const requiredNames = ["TRUELAYER_CLIENT_ID", "TRUELAYER_CLIENT_SECRET", "TRUELAYER_REDIRECT_URI"] as const;
/** Any of these says that TrueLayer is wanted here. */
const wantedBy = [
  ...requiredNames,
  "TRUELAYER_ENV",
  "TRUELAYER_SANDBOX",
  "TRUELAYER_BASE_URL",
  "TRUELAYER_PROVIDERS",
  "TRUELAYER_WEBHOOK_URL",
  "TRUELAYER_WEBHOOK_SECRET",
] as const;

/** TrueLayer, set up by `TRUELAYER_CLIENT_ID`, `TRUELAYER_CLIENT_SECRET` and `TRUELAYER_REDIRECT_URI`. */
export const trueLayerModule = connectorModule({
  name: "truelayer",
  settings: trueLayerSettings,
  limits: { concurrencyMax: 64, requestsPerSecondMax: 50 },
  create: ({ http, insecureAllowed, log }, settings) => {
    if (wantedBy.every((name) => settings[name] === undefined)) return undefined;
    const problems = problemsOf(settings, insecureAllowed);
    const { TRUELAYER_CLIENT_ID: clientId, TRUELAYER_CLIENT_SECRET: clientSecret } = settings;
    const redirectUri = settings.TRUELAYER_REDIRECT_URI;
    if (problems.length > 0 || clientId === undefined || clientSecret === undefined || redirectUri === undefined) {
      throw new ConfigError(problems);
    }
    tellMode(settings, log);
    const hosts = hostsOf(settings);
    return createTrueLayerConnector({ http, settings, hosts, clientId, clientSecret, redirectUri });
  },
});

function problemsOf(settings: TrueLayerSettings, insecureAllowed: boolean): string[] {
  const problems = requiredNames.filter((name) => settings[name] === undefined).map((name) => `${name} is not set`);
  const isProduction = modeOf(settings) === "production";
  const redirectUri = settings.TRUELAYER_REDIRECT_URI;
  if (redirectUri !== undefined) {
    if (!isAllowedUrl(redirectUri, insecureAllowed && !isProduction)) {
      problems.push("TRUELAYER_REDIRECT_URI: needs https");
    }
    if (/[?#]/.test(redirectUri)) problems.push("TRUELAYER_REDIRECT_URI: has a query or fragment of its own");
  }
  for (const name of ["TRUELAYER_BASE_URL", "TRUELAYER_WEBHOOK_URL"] as const) {
    const url = settings[name];
    if (url !== undefined && !isAllowedUrl(url, insecureAllowed)) problems.push(`${name}: needs https`);
  }
  if (!["accounts", "offline_access"].every((scope) => settings.TRUELAYER_SCOPES.includes(scope))) {
    problems.push("TRUELAYER_SCOPES: needs accounts and offline_access");
  }
  if (settings.TRUELAYER_WEBHOOK_MODE === "hmac" && settings.TRUELAYER_WEBHOOK_SECRET === undefined) {
    problems.push("TRUELAYER_WEBHOOK_SECRET is not set, and TRUELAYER_WEBHOOK_MODE=hmac needs it");
  }
  return problems;
}

/** What an operator looks for first when a bank does not show up. */
function tellMode(settings: TrueLayerSettings, log: Logger): void {
  const mode = modeOf(settings);
  log.info({ connector: "truelayer", mode, url: hostsOf(settings).auth }, `TrueLayer runs in ${mode} mode`);
  log.info({ connector: "truelayer", name: providersOf(settings).join(" ") }, "TrueLayer offers these providers");
  if (settings.TRUELAYER_SANDBOX !== undefined) {
    log.warn({ connector: "truelayer" }, "TRUELAYER_SANDBOX is deprecated: TRUELAYER_ENV takes its place and wins");
  }
  if (settings.TRUELAYER_ENCRYPTION_KEY !== undefined) {
    log.warn({ connector: "truelayer" }, "TRUELAYER_ENCRYPTION_KEY is not used: CREDENTIAL_ENCRYPTION_KEY seals all");
  }
  if (settings.TRUELAYER_WEBHOOK_SECRET !== undefined && settings.TRUELAYER_WEBHOOK_MODE !== "hmac") {
    log.warn({ connector: "truelayer" }, "TRUELAYER_WEBHOOK_SECRET is not used: TRUELAYER_WEBHOOK_MODE is not hmac");
  }
}
