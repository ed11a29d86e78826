import { ConfigError } from "../../../platform/config/config-error.ts";
import { isAllowedUrl } from "../../domain/provider-urls.ts";
import { connectorModule } from "../connector-module.ts";
import { createPlaidConnector } from "./plaid-connector.ts";
import { plaidSettings } from "./plaid-settings.ts";

const baseUrls = { sandbox: "https://sandbox.plaid.com", production: "https://production.plaid.com" };

/** Plaid, set up by `PLAID_CLIENT_ID` and `PLAID_SECRET`. */
export const plaidModule = connectorModule({
  name: "plaid",
  settings: plaidSettings,
  limits: { concurrencyMax: 64, requestsPerSecondMax: 50 },
  create: ({ http, insecureAllowed }, settings) => {
    const { PLAID_CLIENT_ID: clientId, PLAID_SECRET: secret } = settings;
    if (clientId === undefined && secret === undefined) return undefined;
    if (clientId === undefined || secret === undefined) {
      throw new ConfigError(["PLAID_CLIENT_ID and PLAID_SECRET are set together, or neither"]);
    }
    const baseUrl = settings.PLAID_BASE_URL ?? baseUrls[settings.PLAID_ENV];
    if (!isAllowedUrl(baseUrl, insecureAllowed)) throw new ConfigError(["PLAID_BASE_URL: needs https"]);
    return createPlaidConnector({ http, settings, baseUrl, clientId, secret });
  },
});
