import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { renewAccess } from "../flows/renew-access.ts";
import { listConnectionsNeedingUser } from "../storage/connection-store.ts";
import { listProviderClients, putProviderClient } from "../storage/provider-client-store.ts";
import type { ScanPlace } from "../storage/refresh-safety-net.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import { providerClientMessage } from "./messages.ts";
import { callerOf, pageOf, tokenAfter } from "./request-parts.ts";

const textLengthMax = 512;
// Two names of 255 characters and an id, as base64url.
const tokenLengthMax = 2_800;

type OperatorMethods =
  | "putProviderClient"
  | "listProviderClients"
  | "listConnectionsNeedingUser"
  | "renewConnectorAccess";

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
    renewConnectorAccess: async (request, ctx) => {
      const order = { connector: request.connector, after: placeOf(request.pageToken) };
      const { connections, next } = await renewAccess(deps, order, callerOf(ctx));
      return { connections, nextPageToken: next === undefined ? "" : placeToken(next) };
    },
  };
}

function placeToken({ tenant, userId, connectionId }: ScanPlace): string {
  return Buffer.from([tenant, userId, connectionId].join("\0")).toString("base64url");
}

function placeOf(pageToken: string): ScanPlace | undefined {
  if (pageToken === "") return undefined;
  const parts = Buffer.from(pageToken.slice(0, tokenLengthMax), "base64url").toString().split("\0");
  const [tenant = "", userId = "", connectionId = ""] = parts;
  if (parts.length !== 3 || !isUuid(connectionId)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "pageToken is not valid" });
  }
  return { tenant, userId, connectionId };
}
