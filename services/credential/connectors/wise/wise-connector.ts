import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { Connector } from "../connector.ts";
import { readBalances } from "./balances.ts";
import { beginConsent, completeConsent, institution, readReturn, refreshTokens, spendGrant } from "./consent.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { syncTransactions } from "./sync-transactions.ts";
import { createWiseWebhooks, type WebhookKeySource } from "./webhook.ts";
import type { WiseApi } from "./wise-api.ts";
import type { WiseHosts } from "./wise-settings.ts";

/** The longest a consent waits for subscriptions to be looked after, milliseconds. */
const subscriptionsMsMax = 2_000;

/** What the connector is made from. */
export interface WiseConnectorOptions {
  readonly api: WiseApi;
  readonly hosts: WiseHosts;
  readonly clientId: string;
  readonly balanceTypes: readonly string[];
  readonly webhookKeys: WebhookKeySource;
  /** Undefined where no webhooks are wanted, or they are set up by hand. */
  readonly subscriptions: Subscriptions | undefined;
}

/** Wise: a connection is one profile of a person, its accounts are the profile's balances. */
export function createWiseConnector(options: WiseConnectorOptions): Connector {
  const { api, hosts, clientId, balanceTypes, subscriptions } = options;
  const consents = { api, clientId, authorizeUrl: hosts.authorize, issuer: hosts.api };
  return {
    name: "wise",
    displayName: institution.name,
    life: "rotating",
    check: async (institutionId, use) => {
      const isKnown = institutionId === "" || institutionId === institution.institutionId;
      if (use === "begin" && !isKnown) throw new DomainError("BANK_NOT_FOUND");
    },
    listInstitutions: async () => [institution],
    begin: async (start, call) => {
      // Here, where nothing that exists only once is at stake, and before there is anything to hear of.
      await subscriptions?.ensure({ ...call, timeoutMs: Math.min(call.timeoutMs / 2, subscriptionsMsMax) });
      return beginConsent(consents, start);
    },
    readCallback: readReturn,
    complete: (answer, call) => completeConsent(consents, answer, call),
    refresh: (grant, call) => refreshTokens(api, grant.refreshToken, call),
    revoke: (_institutionId, secrets, call) => spendGrant(api, secrets, call),
    listAccounts: async (access, call) => {
      const balances = await readBalances(api, access, balanceTypes, call);
      return balances.map((balance) => balance.account);
    },
    syncTransactions: (access, page, call) => syncTransactions({ api, balanceTypes }, access, page, call),
    webhook: createWiseWebhooks(options.webhookKeys),
  };
}
