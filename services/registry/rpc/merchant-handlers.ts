import type { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { parseOauthClient } from "../domain/oauth-client.ts";
import { parseIdentifier, parseName, parseStatus } from "../domain/text-fields.ts";
import type { RegistryDeps } from "./deps.ts";
import { merchantMessage, oauthClientMessage } from "./messages.ts";
import { cutPage, readPage } from "./paging.ts";

type MerchantMethods = "putMerchant" | "listMerchants" | "putOauthClient" | "listOauthClients";

/** Merchants, and the OAuth clients through which people sign in to them. */
export function merchantHandlers(deps: RegistryDeps): Pick<Handlers<typeof Registry>, MerchantMethods> {
  return {
    putMerchant: async (request, ctx) => {
      const { merchant, created } = await deps.merchants.put({
        id: parseIdentifier(request.merchantId, "merchantId"),
        name: parseName(request.name),
        status: parseStatus(request.status),
      });
      if (created) ctx.setHttpStatus(201);
      ctx.log.info({ merchantId: merchant.id, outcome: created ? "created" : "updated" }, "merchant stored");
      return merchantMessage(merchant);
    },
    listMerchants: async (request) => {
      const page = readPage(request);
      const { rows, nextPageToken } = cutPage(
        await deps.merchants.list({ after: page.after, limit: page.limit + 1 }),
        page.limit,
      );
      return { merchants: rows.map(merchantMessage), nextPageToken };
    },
    putOauthClient: async (request, ctx) => {
      const { client, created } = await deps.clients.put(parseOauthClient(request, deps.rules));
      if (created) ctx.setHttpStatus(201);
      ctx.log.info({ id: client.id, outcome: created ? "created" : "updated" }, "OAuth client stored");
      return oauthClientMessage(client);
    },
    listOauthClients: async (request) => {
      const page = readPage(request);
      const { rows, nextPageToken } = cutPage(
        await deps.clients.list({ after: page.after, limit: page.limit + 1 }),
        page.limit,
      );
      return { clients: rows.map(oauthClientMessage), nextPageToken };
    },
  };
}
