import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { beginConnect } from "../flows/begin-connect.ts";
import { requestCardToken, revokeCardToken } from "../flows/card-tokens.ts";
import { completeConnect } from "../flows/complete-connect.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { disconnect } from "../flows/disconnect.ts";
import { findOwnConnection, findOwnForAccess } from "../flows/find-own-connection.ts";
import { listAccounts } from "../flows/list-accounts.ts";
import { listCards } from "../flows/list-cards.ts";
import type { Refresher } from "../flows/refresh.ts";
import { refreshConnection } from "../flows/refresh-connection.ts";
import { listConnections } from "../storage/connection-store.ts";
import { accountMessage, cardMessage, connectionMessage } from "./messages.ts";
import { amountOf, callerOf, keyOf, ownerOf } from "./request-parts.ts";

/** What handlers work with. */
export interface HandlerParts {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
}

type All = Handlers<typeof Credential>;

/** Consents: begin, complete, end. */
export function consentHandlers({ deps }: HandlerParts): Pick<All, "beginConnect" | "completeConnect" | "disconnect"> {
  return {
    beginConnect: async (request, ctx) => {
      const { connector, institutionId, redirectUri } = request;
      const command = { owner: ownerOf(request.owner), connector, institutionId, redirectUri };
      const { authUrl = "", linkToken = "", state, expiresAt } = await beginConnect(deps, command, callerOf(ctx));
      return { authUrl, linkToken, state, expiresAt: timestampFromDate(expiresAt) };
    },
    completeConnect: async (request, ctx) => {
      const { state, code, iss, error } = request;
      const command = { owner: ownerOf(request.owner), attempt: { state }, code, iss, error };
      const completed = await completeConnect(deps, command, callerOf(ctx));
      const { profileEmail, profileName } = completed;
      const connection = connectionMessage(completed.connection);
      return { connection, profileEmail, profileName, cards: completed.cards.map(cardMessage) };
    },
    disconnect: async (request, ctx) => ({
      revokedAtProvider: await disconnect(deps, keyOf(request), callerOf(ctx)),
    }),
  };
}

/** Connections from storage, and their refresh. */
export function connectionHandlers({
  deps,
  refresher,
}: HandlerParts): Pick<All, "getConnection" | "listConnections" | "refreshConnection"> {
  return {
    getConnection: async (request) => connectionMessage(await findOwnConnection(deps, keyOf(request))),
    listConnections: async (request) => {
      const connections = await listConnections(deps.storage.db.query, ownerOf(request.owner));
      return { connections: connections.map(connectionMessage) };
    },
    refreshConnection: async (request, ctx) => {
      const connection = await findOwnConnection(deps, keyOf(request));
      return connectionMessage(await refreshConnection(refresher, connection, callerOf(ctx)));
    },
  };
}

/** What is asked from the banks. */
export function bankHandlers(
  parts: HandlerParts,
): Pick<All, "listCards" | "listAccounts" | "requestCardToken" | "revokeCardToken"> {
  const { deps } = parts;
  return {
    listCards: async (request, ctx) => {
      const connection = await findOwnConnection(deps, keyOf(request));
      return { cards: (await listCards(deps, connection, callerOf(ctx))).map(cardMessage) };
    },
    listAccounts: async (request, ctx) => {
      const read = await findOwnForAccess(deps, keyOf(request));
      return {
        accounts: (await listAccounts(parts, { connection: read.connection, read }, callerOf(ctx))).map(accountMessage),
      };
    },
    requestCardToken: async (request, ctx) => {
      const { cardRef, merchantId, merchantName } = request;
      const wanted = { cardRef, merchantId, merchantName, ...amountOf(request.amount) };
      const connection = await findOwnConnection(deps, keyOf(request));
      const token = await requestCardToken(deps, connection, wanted, callerOf(ctx));
      return { ...token, expiresAt: timestampFromDate(token.expiresAt) };
    },
    revokeCardToken: async (request, ctx) => {
      const connection = await findOwnConnection(deps, keyOf(request));
      return { revoked: await revokeCardToken(deps, connection, request.tokenId, callerOf(ctx)) };
    },
  };
}
