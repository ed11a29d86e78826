import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { listConnectionsNeedingUser } from "../storage/connection-store.ts";
import { listProviderClients, putProviderClient } from "../storage/provider-client-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import { providerClientMessage } from "./messages.ts";
import { callerOf, pageOf, tokenAfter } from "./request-parts.ts";

const textLengthMax = 512;

type OperatorMethods = "putProviderClient" | "listProviderClients" | "listConnectionsNeedingUser";

/** What operators do. */
export function operatorHandlers({ deps }: HandlerParts): Pick<Handlers<typeof Credential>, OperatorMethods> {
  return {
    putProviderClient: async (request, ctx) => {
      const { id, clientId, clientSecret } = request;
      if ([id, clientId, clientSecret].some((text) => text.length > textLengthMax || text.includes("\0"))) {
        throw new DomainError("INVALID_ARGUMENT", { why: `Values have at most ${textLengthMax} characters` });
      }
      const { actor } = callerOf(ctx);
      const put = { bsimId: id, clientId, clientSecret, actor, now: deps.clock.now() };
      const stored = await putProviderClient(deps.storage, put);
      if (stored.created) ctx.setHttpStatus(201);
      return providerClientMessage(stored);
    },
    listProviderClients: async () => {
      const clients = await listProviderClients(deps.storage.db.query);
      return { clients: clients.map(providerClientMessage) };
    },
    listConnectionsNeedingUser: async (request) => {
      const { limit, after } = pageOf(request);
      const institutionId = request.bsimId === "" ? undefined : request.bsimId;
      const page = { institutionId, after, limit: limit + 1 };
      const rows = await listConnectionsNeedingUser(deps.storage.db.query, page);
      const shown = rows.slice(0, limit);
      return {
        connections: shown.map((row) => ({
          connectionId: row.connectionId,
          owner: { tenant: row.owner.tenant, userId: row.owner.userId },
          bsimId: row.institutionId,
          reason: row.stateReason,
          since: timestampFromDate(row.since),
        })),
        nextPageToken: tokenAfter(rows, shown, (last) => ({ at: last.since, id: last.connectionId })),
      };
    },
  };
}
