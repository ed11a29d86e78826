import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { Connector, ProviderCall } from "../connector.ts";
import type { Institution } from "../provider-data.ts";
import type { ProviderHttp } from "../provider-http.ts";
import type { ProviderTokens } from "../provider-tokens.ts";
import { listAccounts } from "./accounts.ts";
import { type BasiqApi, createBasiqApi, idShape } from "./basiq-api.ts";
import type { BasiqSettings } from "./basiq-settings.ts";
import { beginConsent, completeConsent, endUser, readConsentReturn, userMadeBy } from "./consent.ts";
import { syncTransactions } from "./transactions.ts";
import { createBasiqWebhooks } from "./webhook.ts";

const connectorsMax = 2_000;
const institutionsMax = 500;
const countries: Readonly<Record<string, string>> = { Australia: "AU", "New Zealand": "NZ" };
const connectorsShape = z.looseObject({
  data: z
    .array(
      z.looseObject({
        id: idShape,
        institution: z.looseObject({
          name: z.string().max(200),
          country: z.string().max(60).nullish(),
          logo: z
            .looseObject({ links: z.looseObject({ square: z.url().max(2048).optional().catch(undefined) }) })
            .nullish(),
        }),
      }),
    )
    .max(connectorsMax),
});

/** What the connector is made from. */
export interface BasiqConnectorOptions {
  readonly http: ProviderHttp;
  readonly providerTokens: ProviderTokens;
  readonly settings: BasiqSettings;
  readonly apiKey: string;
  readonly insecureAllowed: boolean;
}

/** Basiq: a user there is one connection, reached with the installation's own token. */
export function createBasiqConnector(options: BasiqConnectorOptions): Connector {
  const { settings } = options;
  const api = createBasiqApi({ ...options, baseUrl: settings.BASIQ_BASE_URL });
  const parts = { api, settings, insecureAllowed: options.insecureAllowed };
  const secrets = settings.BASIQ_WEBHOOK_SECRET;
  return {
    name: "basiq",
    displayName: "Basiq",
    life: "app",
    check: async (institutionId, use) => {
      // Which banks there are Basiq knows alone; this much can be said without asking.
      if (use === "begin" && !/^([A-Z]{2}\d{5})?$/.test(institutionId)) throw new DomainError("BANK_NOT_FOUND");
    },
    listInstitutions: (call) => listInstitutions(api, call),
    begin: (start, call) => beginConsent(parts, start, call),
    readCallback: readConsentReturn,
    complete: (answer, call) => completeConsent(parts, answer, call),
    revoke: async (_institutionId, { accessToken }, call) => {
      if (accessToken !== undefined) await endUser(api, idShape.parse(accessToken), call);
    },
    // A connection's user is ended with it; one that a consent made for itself is left when his person does not come back.
    users: { userOf: ({ proofs }) => userMadeBy(proofs), end: (userId, call) => endUser(api, userId, call) },
    listAccounts: (access, call) => listAccounts(api, access, call),
    syncTransactions: (access, page, call) => syncTransactions(api, access, page, call),
    ...(secrets === undefined ? {} : { webhook: createBasiqWebhooks(api, secrets) }),
  };
}

/** A bank has a connector for each way it is reached; it is shown once. */
async function listInstitutions(api: BasiqApi, call: ProviderCall): Promise<readonly Institution[]> {
  const { data } = await api.ask({ method: "GET", path: "/connectors" }, connectorsShape, call);
  const byId = new Map(data.map((each) => [each.id, each]));
  return [...byId.values()]
    .map(({ id, institution: { name, country, logo } }) => {
      const code = countries[country ?? ""];
      return { institutionId: id, name, logoUrl: logo?.links.square, countries: code === undefined ? [] : [code] };
    })
    .sort((one, other) => one.name.localeCompare(other.name, "en"))
    .slice(0, institutionsMax);
}
