import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  BankSchema,
  KeySummarySchema,
  MerchantSchema,
  OauthClientSchema,
} from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import type { KeySummary } from "../domain/access-key.ts";
import type { Bank } from "../domain/bank.ts";
import type { Merchant } from "../domain/merchant.ts";
import type { OauthClient } from "../domain/oauth-client.ts";

const revokedKeysShownMax = 10;

/** A bank as everyone may see it; `lastProbeAt` where the caller looked it up. */
export function bankMessage(bank: Bank, lastProbeAt?: Date): MessageInitShape<typeof BankSchema> {
  return {
    bsimId: bank.id,
    bankId: bank.id,
    name: bank.name,
    apiBaseUrl: bank.apiBaseUrl,
    authServerUrl: bank.authServerUrl,
    ...(bank.openBankingUrl === undefined ? {} : { openBankingUrl: bank.openBankingUrl }),
    supportedCardTypes: [...bank.cardTypes],
    supportedNetworks: [...bank.cardTypes],
    binRanges: [...bank.binRanges],
    walletEnrollmentSupported: bank.walletEnrollmentSupported,
    ...(bank.logoUrl === undefined ? {} : { logoUrl: bank.logoUrl }),
    capabilities: [...bank.capabilities],
    status: bank.status,
    health: bank.health,
    ...(lastProbeAt === undefined ? {} : { lastProbeAt: timestampFromDate(lastProbeAt) }),
    createdAt: timestampFromDate(bank.createdAt),
    updatedAt: timestampFromDate(bank.updatedAt),
  };
}

/** A merchant with its keys' summaries. */
export function merchantMessage(merchant: Merchant): MessageInitShape<typeof MerchantSchema> {
  return {
    merchantId: merchant.id,
    name: merchant.name,
    status: merchant.status,
    keys: shownKeys(merchant.keys),
    createdAt: timestampFromDate(merchant.createdAt),
    updatedAt: timestampFromDate(merchant.updatedAt),
  };
}

/** An OAuth client with its secrets' summaries. */
export function oauthClientMessage(client: OauthClient): MessageInitShape<typeof OauthClientSchema> {
  return {
    clientId: client.id,
    name: client.name,
    redirectUris: [...client.redirectUris],
    postLogoutRedirectUris: [...client.postLogoutRedirectUris],
    scopes: [...client.scopes],
    merchantId: client.merchantId,
    status: client.status,
    secrets: shownKeys(client.secrets),
    createdAt: timestampFromDate(client.createdAt),
    updatedAt: timestampFromDate(client.updatedAt),
  };
}

/** Every live key and the latest of the revoked ones: rotation for years must not swell an answer. */
function shownKeys(keys: readonly KeySummary[]): MessageInitShape<typeof KeySummarySchema>[] {
  const revoked = keys.filter((key) => key.revokedAt !== undefined).slice(-revokedKeysShownMax);
  return keys.filter((key) => key.revokedAt === undefined || revoked.includes(key)).map(keyMessage);
}

function keyMessage(key: KeySummary): MessageInitShape<typeof KeySummarySchema> {
  return {
    keyId: key.keyId,
    createdAt: timestampFromDate(key.createdAt),
    ...(key.revokedAt === undefined ? {} : { revokedAt: timestampFromDate(key.revokedAt) }),
  };
}
