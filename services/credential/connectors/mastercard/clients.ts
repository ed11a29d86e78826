import { z } from "zod";
import type { ClientConnector, LinkEmail } from "../client-connector.ts";
import type { Grant } from "../connector.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { accountsOfCustomer, personCodeOf, refreshCustomer } from "./accounts.ts";
import { findAuthorizationWindow } from "./authorization-window.ts";
import { type ConnectParts, connectBody, grantOf, linkLifeMs, makeConnectLink } from "./connect.ts";
import { findOrAddCustomer } from "./customers.ts";

/** Links in e-mails are given this long. */
const emailLifeMs = 7 * 86_400_000;
const sentShape = z.looseObject({ link: z.url({ protocol: /^https?$/ }).max(4_096) });

/** What Mastercard offers firms for their clients. */
export function createMastercardClients(parts: ConnectParts): ClientConnector {
  const { api } = parts;
  return {
    customerType: parts.settings.OPEN_BANKING_CUSTOMER_TYPE,
    findOrAddCustomer: (request, call) => findOrAddCustomer(api, request, call),
    makeLink: async (request, call) => ({
      link: await makeConnectLink(parts, request, call),
      expiresAt: new Date(call.now.getTime() + linkLifeMs),
    }),
    sendLink: async ({ email, language, consumerId, ...request }, call) => {
      const body = {
        ...connectBody(parts, request),
        ...(language === undefined ? {} : { language }),
        ...(consumerId === undefined ? {} : { consumerId }),
        email: withoutEmpty(email),
      };
      const { link } = await api.post("/connect/v2/send/email", body, sentShape, call);
      return { link, expiresAt: new Date(call.now.getTime() + emailLifeMs) };
    },
    listGrants: async (customerId, without, call) => {
      const next = withinOneTimeout(call);
      const accounts = await accountsOfCustomer(api, customerId, next());
      const grants: Grant[] = [];
      const logins = new Set(accounts.map((each) => each.institutionLoginId));
      for (const loginId of logins) {
        if (without.has(loginId)) continue;
        const own = accounts.filter((each) => each.institutionLoginId === loginId);
        const [account] = own;
        if (account === undefined || own.some((each) => personCodeOf(each) !== undefined)) continue;
        grants.push(await grantOf(parts, { access: { customerId, loginId }, account }, next));
      }
      return grants;
    },
    refresh: (customerId, call) => refreshCustomer(api, customerId, call),
    authorizationWindow: (loginId, call) => findAuthorizationWindow(api, loginId, call),
  };
}

function withoutEmpty(email: LinkEmail): object {
  return Object.fromEntries(Object.entries(email).filter(([, value]) => value !== undefined && value.length > 0));
}
