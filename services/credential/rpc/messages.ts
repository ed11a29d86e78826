import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  AccountSchema,
  CardSchema,
  ConnectionSchema,
  ProviderClientSchema,
} from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import type { ProviderCard } from "../connectors/card-connector.ts";
import type { ProviderAccount } from "../connectors/provider-data.ts";
import type { Connection } from "../domain/connection.ts";
import type { ProviderClientSummary } from "../storage/provider-client-store.ts";

/** A connection as the contract says it. */
export function connectionMessage(connection: Connection): MessageInitShape<typeof ConnectionSchema> {
  const { accessTokenExpiresAt, credentialExpiresAt, consentExpiresAt } = connection;
  return {
    connectionId: connection.connectionId,
    connector: connection.connector,
    institutionId: connection.institutionId,
    state: connection.state,
    ownerReference: connection.ownerReference,
    ...(accessTokenExpiresAt === undefined ? {} : { accessTokenExpiresAt: timestampFromDate(accessTokenExpiresAt) }),
    ...(credentialExpiresAt === undefined ? {} : { credentialExpiresAt: timestampFromDate(credentialExpiresAt) }),
    hasAccessToken: connection.hasAccessToken,
    hasCredential: connection.hasCredential,
    connectedAt: timestampFromDate(connection.connectedAt),
    updatedAt: timestampFromDate(connection.updatedAt),
    stateReason: connection.stateReason,
    ...(consentExpiresAt && { consentExpiresAt: timestampFromDate(consentExpiresAt) }),
  };
}

/** A card as the contract says it. */
export function cardMessage(card: ProviderCard): MessageInitShape<typeof CardSchema> {
  return { ...card };
}

/** An account as the contract says it, money exact. */
export function accountMessage(account: ProviderAccount): MessageInitShape<typeof AccountSchema> {
  const { currency, balanceMinor, availableMinor, asOf } = account;
  return {
    accountId: account.accountId,
    accountType: account.accountType,
    maskedNumber: account.maskedNumber,
    ...(balanceMinor === undefined ? {} : { balance: { currency, minorUnits: balanceMinor } }),
    ...(availableMinor === undefined ? {} : { available: { currency, minorUnits: availableMinor } }),
    ...(asOf === undefined ? {} : { asOf: timestampFromDate(asOf) }),
  };
}

/** A provider client as the contract says it; the secret is nowhere near. */
export function providerClientMessage(client: ProviderClientSummary): MessageInitShape<typeof ProviderClientSchema> {
  return { bsimId: client.bsimId, clientId: client.clientId, updatedAt: timestampFromDate(client.updatedAt) };
}
