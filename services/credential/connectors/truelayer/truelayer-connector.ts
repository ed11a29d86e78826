import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { Connector } from "../connector.ts";
import type { ProviderHttp } from "../provider-http.ts";
import { listAccounts } from "./accounts.ts";
import { beginConsent, completeConsent, extendConsent, refreshTokens } from "./consent.ts";
import { listInstitutions } from "./institutions.ts";
import { endConnection } from "./revoke.ts";
import { syncTransactions } from "./sync-transactions.ts";
import { createTrueLayerApi } from "./truelayer-api.ts";
import { providersOf, type TrueLayerHosts, type TrueLayerSettings } from "./truelayer-settings.ts";
import { createTrueLayerWebhooks } from "./webhook.ts";

/** What the connector is made from. */
export interface TrueLayerConnectorOptions {
  readonly http: ProviderHttp;
  readonly settings: TrueLayerSettings;
  readonly hosts: TrueLayerHosts;
  readonly clientId: string;
  readonly clientSecret: string;
  /** As registered at TrueLayer; whoever begins a consent, its user comes back here. */
  readonly redirectUri: string;
}

/** TrueLayer's Data API: one consent at one bank is one connection, and only its newest access token works. */
export function createTrueLayerConnector(options: TrueLayerConnectorOptions): Connector {
  const { settings, hosts } = options;
  const api = createTrueLayerApi(options);
  const providers = providersOf(settings);
  const scopes = settings.TRUELAYER_SCOPES;
  const consent = { ...options, api, authUrl: hosts.auth, providers, scopes };
  return {
    name: "truelayer",
    displayName: "TrueLayer",
    life: "rotating",
    redirectUri: options.redirectUri,
    check: async (institutionId, use) => {
      // Which banks there are TrueLayer knows alone; this much can be said without asking.
      if (use === "begin" && !/^[a-z0-9_-]{0,64}$/.test(institutionId)) throw new DomainError("BANK_NOT_FOUND");
    },
    listInstitutions: (call) => listInstitutions(api, providers, call),
    begin: (start) => beginConsent(consent, start),
    complete: (answer, call) => completeConsent(consent, answer, call),
    refresh: (grant, call) => refreshTokens(api, grant.refreshToken, call),
    extendConsent: (grant, call) => extendConsent(consent, grant, call),
    extensionDays: 90,
    revoke: (_institutionId, secrets, call) => endConnection(api, secrets, call),
    listAccounts: (access, call) => listAccounts(api, access, scopes, call),
    ...(scopes.includes("transactions")
      ? { syncTransactions: (access, page, call) => syncTransactions({ api, scopes }, access, page, call) }
      : {}),
    webhook: createTrueLayerWebhooks({ api, hosts, settings }),
  };
}
