import { ConfigError } from "../../../platform/config/config-error.ts";
import { isAllowedUrl } from "../../domain/provider-urls.ts";
import { connectorModule } from "../connector-module.ts";
import { createMastercardApi } from "./mastercard-api.ts";
import { createMastercardConnector } from "./mastercard-connector.ts";
import { type MastercardSettings, mastercardSettings } from "./mastercard-settings.ts";
import { publicKeysIn } from "./webhook.ts";

const requiredNames = ["OPEN_BANKING_PARTNER_ID", "OPEN_BANKING_PARTNER_SECRET", "OPEN_BANKING_APP_KEY"] as const;

/** Mastercard Open Finance US (Finicity), set up by `OPEN_BANKING_PARTNER_ID`, `OPEN_BANKING_PARTNER_SECRET` and `OPEN_BANKING_APP_KEY`. */
export const mastercardModule = connectorModule({
  name: "mastercard",
  settings: mastercardSettings,
  limits: { concurrencyMax: 32, requestsPerSecondMax: 25 },
  create: ({ http, providerTokens, insecureAllowed, log }, settings) => {
    if (requiredNames.every((name) => settings[name] === undefined)) return undefined;
    const problems = problemsOf(settings, insecureAllowed);
    const { OPEN_BANKING_PARTNER_ID: partnerId, OPEN_BANKING_PARTNER_SECRET: partnerSecret } = settings;
    const appKey = settings.OPEN_BANKING_APP_KEY;
    if (problems.length > 0 || partnerId === undefined || partnerSecret === undefined || appKey === undefined) {
      throw new ConfigError(problems);
    }
    if (providerTokens === undefined) throw new ConfigError(["Mastercard needs the tokens of the installation"]);
    const baseUrl = settings.OPEN_BANKING_BASE_URL;
    log.info(
      { connector: "mastercard", mode: settings.OPEN_BANKING_CUSTOMER_TYPE, url: baseUrl },
      "Mastercard is set up",
    );
    if (settings.OPEN_BANKING_WEBHOOK_PUBLIC_KEY === undefined) {
      log.warn(
        { connector: "mastercard" },
        "OPEN_BANKING_WEBHOOK_PUBLIC_KEY is not set: notifications will be refused",
      );
    }
    const api = createMastercardApi({ http, providerTokens, baseUrl, partnerId, partnerSecret, appKey });
    return createMastercardConnector({ api, settings, baseUrl, partnerId, partnerSecret });
  },
});

function problemsOf(settings: MastercardSettings, insecureAllowed: boolean): string[] {
  const problems = requiredNames.filter((name) => settings[name] === undefined).map((name) => `${name} is not set`);
  for (const name of ["OPEN_BANKING_BASE_URL", "OPEN_BANKING_WEBHOOK_URL"] as const) {
    const url = settings[name];
    if (url !== undefined && !isAllowedUrl(url, insecureAllowed)) problems.push(`${name}: needs https`);
  }
  const keys = settings.OPEN_BANKING_WEBHOOK_PUBLIC_KEY;
  if (keys !== undefined && publicKeysIn(keys) === undefined) {
    problems.push("OPEN_BANKING_WEBHOOK_PUBLIC_KEY: needs public keys on P-256 in PEM");
  }
  return problems;
}
