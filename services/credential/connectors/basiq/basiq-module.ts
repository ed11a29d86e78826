import { ConfigError } from "../../../platform/config/config-error.ts";
import { isAllowedUrl } from "../../domain/provider-urls.ts";
import { connectorModule } from "../connector-module.ts";
import { createBasiqConnector } from "./basiq-connector.ts";
import { basiqSettings } from "./basiq-settings.ts";

/** Basiq, set up by `BASIQ_API_KEY`. */
export const basiqModule = connectorModule({
  name: "basiq",
  settings: basiqSettings,
  limits: { concurrencyMax: 32, requestsPerSecondMax: 20 },
  create: ({ http, providerTokens, insecureAllowed }, settings) => {
    const { BASIQ_API_KEY: apiKey } = settings;
    if (apiKey === undefined) {
      if (settings.BASIQ_WEBHOOK_SECRET === undefined) return undefined;
      throw new ConfigError(["BASIQ_API_KEY is not set, and BASIQ_WEBHOOK_SECRET is"]);
    }
    const problems = (["BASIQ_BASE_URL", "BASIQ_CONSENT_URL"] as const)
      .filter((name) => !isAllowedUrl(settings[name], insecureAllowed))
      .map((name) => `${name}: needs https`);
    if (problems.length > 0) throw new ConfigError(problems);
    if (providerTokens === undefined) throw new Error("Basiq's tokens are shared, and nobody shares them here");
    return createBasiqConnector({ http, providerTokens, settings, apiKey, insecureAllowed });
  },
});
