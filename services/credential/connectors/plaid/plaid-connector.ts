import type { CountryCode } from "plaid";
import { z } from "zod";
import type { Connector, ProviderCall } from "../connector.ts";
import type { ProviderHttp } from "../provider-http.ts";
import { listAccounts } from "./accounts.ts";
import { beginLink, completeLink, readLinkReturn } from "./link.ts";
import { createPlaidCalls, type PlaidCalls, PlaidRefusal } from "./plaid-api.ts";
import type { PlaidSettings } from "./plaid-settings.ts";
import { syncTransactions } from "./transactions.ts";
import { createPlaidWebhooks } from "./webhook.ts";

const institutionsMax = 500;
const institutionsShape = z.looseObject({
  institutions: z
    .array(
      z.looseObject({
        institution_id: z.string().min(1).max(64),
        name: z.string().max(200),
        country_codes: z.array(z.string().max(2)),
      }),
    )
    .max(institutionsMax),
});

const rotatedShape = z.looseObject({ new_access_token: z.string().min(1).max(512) });

/** What the connector is made from. */
export interface PlaidConnectorOptions {
  readonly http: ProviderHttp;
  readonly settings: PlaidSettings;
  readonly baseUrl: string;
  readonly clientId: string;
  readonly secret: string;
}

/** Plaid: one item is one connection, its access token lives until somebody ends it. */
export function createPlaidConnector(options: PlaidConnectorOptions): Connector {
  const calls = createPlaidCalls(options);
  const link = { calls, settings: options.settings, issuer: options.baseUrl };
  return {
    name: "plaid",
    displayName: "Plaid",
    life: "static",
    check: async () => undefined,
    listInstitutions: async (call) => {
      const request = {
        count: institutionsMax,
        offset: 0,
        country_codes: options.settings.PLAID_COUNTRY_CODES as CountryCode[], // checked to be two letters
      };
      const { institutions } = await calls.ask((api) => api.institutionsGet(request), institutionsShape, call);
      return institutions
        .map((each) => ({ institutionId: each.institution_id, name: each.name, countries: each.country_codes }))
        .sort((one, other) => one.name.localeCompare(other.name, "en"));
    },
    begin: (start, call) => beginLink(link, start, call),
    readCallback: readLinkReturn,
    complete: (answer, call) => completeLink(link, answer, call),
    rotateAccess: async ({ accessToken }, call) => {
      const request = { access_token: accessToken };
      const rotated = await calls.ask((api) => api.itemAccessTokenInvalidate(request), rotatedShape, call);
      return { accessToken: rotated.new_access_token, accessTokenExpiresAt: undefined };
    },
    revoke: async (_institutionId, secrets, call) => {
      if (secrets.accessToken !== undefined) await removeItem(calls, secrets.accessToken, call);
    },
    listAccounts: (access, call) => listAccounts(calls, access, call),
    syncTransactions: (access, page, call) => syncTransactions(calls, access, page.cursor, call),
    webhook: createPlaidWebhooks(calls),
  };
}

async function removeItem(calls: PlaidCalls, accessToken: string, call: ProviderCall): Promise<void> {
  try {
    await calls.ask((api) => api.itemRemove({ access_token: accessToken }), z.unknown(), call);
  } catch (error) {
    // Gone already is what was wanted.
    if (!(error instanceof PlaidRefusal && error.failure === "grant_refused")) throw error;
  }
}
