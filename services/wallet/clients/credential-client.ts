import type { MessageShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type CardSchema,
  type ConnectionSchema,
  Credential,
} from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";
import { parseCurrency } from "../../platform/money/currency.ts";
import { type CallOptions, createRpcClient, type RpcClient } from "../../platform/rpc/client.ts";
import { RpcError } from "../../platform/rpc/rpc-error.ts";
import type { MeshTls } from "../../platform/tls/load-mesh-tls.ts";
import type { ListedCard } from "../domain/card-list.ts";
import {
  type Connection,
  ConnectionError,
  type CredentialConnections,
  type OutgoingCall,
} from "./credential-connections.ts";
import type { OwnerNotices } from "./owner-notices.ts";

const tenant = "wallet";
const connector = "bsim";

/** Words that say the user has to consent again. */
const needsUserWords = new Set([
  "reauthorization_required",
  "missing_access_token",
  "bsim_token_expired",
  "connection_not_found",
]);
/** Codes after which nobody knows whether the call had its effect. */
const unknownOutcomeCodes = new Set<number>([
  GrpcCode.UNAVAILABLE,
  GrpcCode.DEADLINE_EXCEEDED,
  GrpcCode.CANCELLED,
  GrpcCode.UNKNOWN,
  GrpcCode.INTERNAL,
  GrpcCode.RESOURCE_EXHAUSTED,
]);

/** The Credential service over gRPC. */
export interface CredentialClient extends CredentialConnections {
  readonly notices: OwnerNotices;
  close(): void;
}

/** Opens it. Whoever makes it closes it. */
export function createCredentialClient(options: {
  readonly address: string;
  readonly tls?: MeshTls | undefined;
}): CredentialClient {
  const client = createRpcClient(Credential, {
    address: options.address,
    serverName: "credential",
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  return {
    ...connectCalls(client),
    ...standingCalls(client),
    ...readCalls(client),
    ...cardTokenCalls(client),
    notices: noticeCalls(client),
    close: () => client.close(),
  };
}

type CredentialRpc = RpcClient<typeof Credential>;

function connectCalls(
  client: CredentialRpc,
): Pick<CredentialConnections, "beginConnect" | "completeConnect" | "disconnect"> {
  return {
    beginConnect: async ({ userId, bsimId, redirectUri }, call) => {
      const request = { owner: { tenant, userId }, connector, institutionId: bsimId, redirectUri };
      const { authUrl, state } = await client.beginConnect(request, optionsOf(call)).catch(translate);
      return { authUrl, state };
    },
    completeConnect: async ({ userId, ...callback }, call) => {
      const request = { owner: { tenant, userId }, ...callback };
      const answer = await client.completeConnect(request, optionsOf(call)).catch(translate);
      if (answer.connection === undefined) throw new ConnectionError("unknown_outcome", "");
      return {
        connection: connectionOf(answer.connection),
        profileEmail: answer.profileEmail === "" ? undefined : answer.profileEmail,
        profileName: answer.profileName === "" ? undefined : answer.profileName,
        cards: answer.cards.map(cardOf),
      };
    },
    disconnect: async ({ userId, connectionId }, call) => {
      const request = { owner: { tenant, userId }, connectionId };
      try {
        return (await client.disconnect(request, optionsOf(call))).revokedAtProvider;
      } catch (error) {
        // Nothing left to end counts as ended.
        if (error instanceof RpcError && error.code === GrpcCode.NOT_FOUND) return true;
        return translate(error);
      }
    },
  };
}

function standingCalls(
  client: CredentialRpc,
): Pick<CredentialConnections, "listConnections" | "listStandings" | "eraseUser"> {
  const listAll = async (userId: string, call: OutgoingCall) =>
    (await client.listConnections({ owner: { tenant, userId } }, optionsOf(call)).catch(translate)).connections;
  return {
    listConnections: async (userId, call) =>
      (await listAll(userId, call)).filter((one) => one.connector === connector).map(connectionOf),
    listStandings: async (userId, call) =>
      (await listAll(userId, call)).map(({ connectionId, state, consentExpiresAt }) => {
        return { connectionId, state, consentEndsAt: dateOf(consentExpiresAt) };
      }),
    eraseUser: async (userId, call) => {
      const { status } = await client.eraseUser({ tenant, userId }, optionsOf(call)).catch(translate);
      return status === "completed";
    },
  };
}

function noticeCalls(client: CredentialRpc): OwnerNotices {
  return {
    take: async (call) => {
      const { notices } = await client.takeOwnerNotices({ tenant }, optionsOf(call)).catch(translate);
      return notices.map(({ $typeName: _, owner, createdAt, consentEndsAt, reason: _reason, ...notice }) => ({
        ...notice,
        userId: owner?.userId ?? "",
        createdAt: dateOf(createdAt) ?? new Date(0),
        consentEndsAt: dateOf(consentEndsAt),
      }));
    },
    acknowledge: async (noticeIds, call) => {
      await client.acknowledgeOwnerNotices({ tenant, noticeIds: [...noticeIds] }, optionsOf(call)).catch(translate);
    },
  };
}

function readCalls(
  client: CredentialRpc,
): Pick<CredentialConnections, "listCards" | "listAccounts" | "listConnectedAccounts"> {
  return {
    listCards: async ({ userId, connectionId }, call) => {
      const request = { owner: { tenant, userId }, connectionId };
      return (await client.listCards(request, optionsOf(call)).catch(translate)).cards.map(cardOf);
    },
    listConnectedAccounts: async (userId, call) => {
      const answer = await client.listProviderAccounts({ owner: { tenant, userId } }, optionsOf(call)).catch(translate);
      return {
        accounts: answer.accounts.map(({ $typeName: _, currency, balanceMinor, ...account }) => ({
          ...account,
          currency: parseCurrency(currency),
          balanceMinor,
        })),
        errors: answer.errors.map(({ $typeName: _, error: word, ...failed }) => ({ ...failed, word })),
      };
    },
    listAccounts: async ({ userId, connectionId }, call) => {
      const request = { owner: { tenant, userId }, connectionId };
      const { accounts } = await client.listAccounts(request, optionsOf(call)).catch(translate);
      return accounts.map(({ accountId, accountType, maskedNumber, balance }) => ({
        accountId,
        accountType,
        maskedNumber,
        currency: parseCurrency(balance?.currency ?? ""),
        balanceMinor: balance?.minorUnits ?? 0n,
      }));
    },
  };
}

function cardTokenCalls(client: CredentialRpc): Pick<CredentialConnections, "requestCardToken" | "revokeCardToken"> {
  return {
    requestCardToken: async ({ userId, currency, amountMinor, ...rest }, call) => {
      const amount = { currency, minorUnits: amountMinor };
      const request = { owner: { tenant, userId }, ...rest, amount };
      const answer = await client.requestCardToken(request, optionsOf(call)).catch(translate);
      const tokenId = answer.tokenId === "" ? undefined : answer.tokenId;
      return { cardToken: answer.cardToken, tokenId, expiresAt: dateOf(answer.expiresAt) ?? new Date(0) };
    },
    revokeCardToken: async ({ userId, connectionId, tokenId }, call) => {
      const request = { owner: { tenant, userId }, connectionId, tokenId };
      return (await client.revokeCardToken(request, optionsOf(call)).catch(translate)).revoked;
    },
  };
}

function optionsOf(call: OutgoingCall): CallOptions {
  return call;
}

function translate(error: unknown): never {
  if (!(error instanceof RpcError)) throw error;
  if (needsUserWords.has(error.reason)) throw new ConnectionError("needs_user", error.reason, { cause: error });
  const kind = unknownOutcomeCodes.has(error.code) ? "unknown_outcome" : "refused";
  throw new ConnectionError(kind, error.reason, { cause: error });
}

function connectionOf(connection: MessageShape<typeof ConnectionSchema>): Connection {
  return {
    connectionId: connection.connectionId,
    bsimId: connection.institutionId,
    state: connection.state,
    ownerReference: connection.ownerReference,
    hasAccessToken: connection.hasAccessToken,
    hasCredential: connection.hasCredential,
    credentialExpiresAt: dateOf(connection.credentialExpiresAt),
    updatedAt: dateOf(connection.updatedAt) ?? new Date(0),
  };
}

function cardOf(card: MessageShape<typeof CardSchema>): ListedCard {
  return {
    cardRef: card.cardRef,
    cardType: card.cardType,
    cardHolder: card.cardHolder,
    // Four digits or none: whatever else a bank writes there may be more of a card number than we may keep.
    lastFour: /^\d{4}$/.test(card.lastFour) ? card.lastFour : "",
    expiryMonth: card.expiryMonth,
    expiryYear: card.expiryYear,
  };
}

function dateOf(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp === undefined ? undefined : timestampDate(timestamp);
}
