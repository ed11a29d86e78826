import { z } from "zod";
import type { Connector } from "../connector.ts";
import { listAccounts } from "./accounts.ts";
import { createMastercardClients } from "./clients.ts";
import { beginConnectLink, completeConnectLink, customerOfSecrets, readConnectReturn } from "./connect.ts";
import { deleteIfThere, endCustomer } from "./customers.ts";
import { readLoginAccess } from "./login-access.ts";
import { idShape, type MastercardApi } from "./mastercard-api.ts";
import type { MastercardSettings } from "./mastercard-settings.ts";
import { createMastercardNotifications } from "./notifications.ts";
import { syncTransactions } from "./transactions.ts";
import { createMastercardWebhooks } from "./webhook.ts";

// Some thousand are there; a page of more would not fit into the megabyte we read.
const institutionsMax = 300;
const institutionsShape = z.looseObject({
  institutions: z.array(z.looseObject({ id: idShape, name: z.string().max(200) })).max(1_000),
});

/** What the connector is made from. */
export interface MastercardConnectorOptions {
  readonly api: MastercardApi;
  readonly settings: MastercardSettings;
  readonly baseUrl: string;
  readonly partnerId: string;
  readonly partnerSecret: string;
}

/**
 * Mastercard Open Finance US: one login of a customer at an institution is one connection. It has no token; its secret is where it is
 * found there, and the partner's token opens it.
 */
export function createMastercardConnector(options: MastercardConnectorOptions): Connector {
  const { api, settings, partnerId } = options;
  const connect = { api, settings, partnerId, issuer: options.baseUrl };
  return {
    name: "mastercard",
    displayName: "Mastercard Open Finance",
    life: "partner",
    check: async () => undefined,
    listInstitutions: async (call) => {
      const path = `/institution/v2/institutions?search=*&start=1&limit=${institutionsMax}`;
      const { institutions } = await api.get(path, institutionsShape, call);
      return institutions
        .map((each) => ({ institutionId: each.id, name: each.name, countries: ["US"] }))
        .sort((one, other) => one.name.localeCompare(other.name, "en"));
    },
    begin: (start, call) => beginConnectLink(connect, start, call),
    readCallback: readConnectReturn,
    complete: (answer, call) => completeConnectLink(connect, answer, call),
    revoke: async (_institutionId, secrets, call) => {
      if (secrets.accessToken === undefined) return;
      const { customerId, loginId } = readLoginAccess(secrets.accessToken);
      await deleteIfThere(api, `/aggregation/v1/customers/${customerId}/institutionLogins/${loginId}`, call);
    },
    users: { userOf: customerOfSecrets, end: (customerId, call) => endCustomer(api, customerId, call) },
    listAccounts: (access, call) => listAccounts(api, access, call),
    syncTransactions: (access, page, call) => syncTransactions(api, access, page, call),
    webhook: createMastercardWebhooks(options),
    clients: createMastercardClients(connect),
    notifications: createMastercardNotifications(api, settings.OPEN_BANKING_WEBHOOK_URL),
  };
}
