import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Credential, LinkConnectorResponseSchema } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Owner } from "../domain/connection.ts";
import { callFor, connectorNamed } from "../flows/dependencies.ts";
import { disconnect } from "../flows/disconnect.ts";
import { endConsentByCode } from "../flows/end-consent-by-callback.ts";
import { extendConsent } from "../flows/extend-consent.ts";
import { findOwnConnection, findOwnShown } from "../flows/find-own-connection.ts";
import { type LinkAddresses, linkConnector } from "../flows/link-connector.ts";
import { fromProvider } from "../flows/provider-failure.ts";
import { readAccounts } from "../flows/read-accounts.ts";
import { listShownConnections, saveSettings } from "../storage/connection-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import {
  begunMessage,
  connectedAccountMessage,
  extendedMessage,
  institutionMessage,
  userConnectionMessage,
} from "./connector-messages.ts";
import { findOfConnector } from "./provider-data-handlers.ts";
import { callerOf, phoneOwner, userConnectionKey } from "./request-parts.ts";

const publicTokenLengthMax = 512;
const retentionDaysMax = 3_650;

type All = Handlers<typeof Credential>;

/** What handlers of users' own connections work with. */
export interface ConnectorHandlerParts extends HandlerParts {
  readonly addresses: LinkAddresses;
}

/** Consents a user begins by himself. */
export function linkHandlers(
  parts: ConnectorHandlerParts,
): Pick<All, "listConnectors" | "listInstitutions" | "linkConnector" | "exchangePublicToken" | "extendConsent"> {
  const { deps } = parts;
  return {
    listConnectors: async () => ({
      connectors: [...deps.connectors.values()].map((connector) => ({
        connector: connector.name,
        displayName: connector.displayName,
        hasTransactions: connector.syncTransactions !== undefined,
      })),
    }),
    listInstitutions: async (request, ctx) => {
      const connector = connectorNamed(deps, request.connector);
      const asked = { connector: connector.name, operation: "list_institutions" };
      const institutions = await fromProvider(deps, asked, connector.listInstitutions(callFor(deps, callerOf(ctx))));
      return { institutions: institutions.map(institutionMessage) };
    },
    linkConnector: (request, ctx) => link(parts, request, ctx),
    extendConsent: async (request, ctx) => {
      if (!request.userHasReconfirmedConsent) {
        throw new DomainError("INVALID_ARGUMENT", { why: "userHasReconfirmedConsent must be true" });
      }
      const connection = await findOfConnector(deps, request, ctx);
      return extendedMessage(connection.connectionId, await extendConsent(parts, connection, request, callerOf(ctx)));
    },
    exchangePublicToken: async ({ publicToken }, ctx) => {
      if (publicToken.length > publicTokenLengthMax) throw new DomainError("INVALID_ARGUMENT", { why: "publicToken" });
      return await exchange(parts, phoneOwner(ctx), publicToken, ctx);
    },
  };
}

/** Begins a consent of the calling person. */
export async function link(
  parts: ConnectorHandlerParts,
  asked: { connector: string; institutionId: string; returnUrl: string; connectionId: string },
  ctx: CallContext,
): Promise<MessageInitShape<typeof LinkConnectorResponseSchema>> {
  const { connector, institutionId, returnUrl, connectionId } = asked;
  const command = { owner: phoneOwner(ctx), connector, institutionId, returnUrl, connectionId };
  const begun = await linkConnector(parts.deps, parts.addresses, command, callerOf(ctx));
  return { ...(connectionId === "" ? {} : { connectionId }), ...begunMessage(begun) };
}

async function exchange(parts: ConnectorHandlerParts, owner: Owner, code: string, ctx: CallContext) {
  const caller = callerOf(ctx);
  const connection = await endConsentByCode(parts.deps, { owner, connector: "plaid", code }, caller);
  const accounts = await readAccounts(parts, connection, caller).catch((error: unknown) => {
    // The connection stands; its accounts follow with the first run.
    if (error instanceof DomainError) return [];
    throw error;
  });
  const { connectionId, institutionId, institutionName: name } = connection;
  return {
    success: true,
    connectionId,
    accounts: accounts.map(connectedAccountMessage),
    institution: { institutionId, name, countries: [] },
  };
}

/** A user's connections. */
export function userConnectionHandlers({
  deps,
}: HandlerParts): Pick<
  All,
  "listUserConnections" | "getUserConnection" | "updateUserConnection" | "disconnectUserConnection"
> {
  return {
    listUserConnections: async (_request, ctx) => {
      const connections = await listShownConnections(deps.storage.db.query, phoneOwner(ctx));
      return { connections: connections.map(userConnectionMessage) };
    },
    getUserConnection: async (request, ctx) =>
      userConnectionMessage(await findOwnShown(deps, userConnectionKey(ctx, request))),
    updateUserConnection: async ({ connectionId, retentionDays }, ctx) => {
      const connection = await findOwnShown(deps, userConnectionKey(ctx, { connectionId }));
      if (retentionDays === undefined) return userConnectionMessage(connection);
      if (retentionDays < 0 || retentionDays > retentionDaysMax) {
        throw new DomainError("INVALID_ARGUMENT", { why: `retentionDays must be 0 to ${retentionDaysMax}` });
      }
      const settings = { ...connection.settings, retentionDays: retentionDays === 0 ? undefined : retentionDays };
      await saveSettings(deps.storage.db.query, connection, settings, deps.clock.now());
      return userConnectionMessage({ ...connection, settings });
    },
    disconnectUserConnection: async (request, ctx) => {
      const key = userConnectionKey(ctx, request);
      await findOwnConnection(deps, key);
      return { success: true, revokedAtProvider: await disconnect(deps, key, callerOf(ctx)) };
    },
  };
}
