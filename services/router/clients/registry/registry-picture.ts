import type { MerchantKeys } from "../../../platform/rpc/merchant-authenticator.ts";
import type { Bank, BankDirectory } from "../../domain/bank-directory.ts";

/** A merchant as the Router needs it: whose keys are live. Hashes are `HMAC-SHA256(API_KEY_PEPPER, key)` in hex. */
export interface WatchedMerchant {
  readonly merchantId: string;
  readonly keys: readonly { readonly keyId: string; readonly hashHex: string }[];
}

/** The Registry as last seen. */
export interface PictureRows {
  readonly banks: readonly Bank[];
  readonly merchants: readonly WatchedMerchant[];
}

/** Banks and merchant keys in memory. Changed by the follower alone; lookups never wait. */
export interface RegistryPicture extends BankDirectory, MerchantKeys {
  putBank(bank: Bank): void;
  putMerchant(merchant: WatchedMerchant): void;
  /** Drops every bank and merchant not named: after a whole snapshot those are gone. */
  keepOnly(bankIds: ReadonlySet<string>, merchantIds: ReadonlySet<string>): void;
  rows(): PictureRows;
}

/** An empty picture. */
export function createRegistryPicture(): RegistryPicture {
  const banks = new Map<string, Bank>();
  const merchants = new Map<string, WatchedMerchant>();
  let bankIdsByIssuer: ReadonlyMap<string, string> = new Map();
  let keysByHash: ReadonlyMap<string, { merchantId: string; keyId: string }> = new Map();
  const reindexBanks = (): void => {
    bankIdsByIssuer = issuersOf(banks.values());
  };
  const reindexMerchants = (): void => {
    keysByHash = keysOf(merchants.values());
  };
  return {
    bank: (bankId) => banks.get(bankId),
    bankIdByIssuer: (issuer) => bankIdsByIssuer.get(withoutSlash(issuer)),
    merchantKey: (hashHex) => keysByHash.get(hashHex),
    putBank: (bank) => {
      banks.set(bank.bankId, bank);
      reindexBanks();
    },
    putMerchant: (merchant) => {
      merchants.set(merchant.merchantId, merchant);
      reindexMerchants();
    },
    keepOnly: (bankIds, merchantIds) => {
      for (const bankId of banks.keys()) if (!bankIds.has(bankId)) banks.delete(bankId);
      for (const merchantId of merchants.keys()) if (!merchantIds.has(merchantId)) merchants.delete(merchantId);
      reindexBanks();
      reindexMerchants();
    },
    rows: () => ({ banks: [...banks.values()], merchants: [...merchants.values()] }),
  };
}

function withoutSlash(issuer: string): string {
  return issuer.endsWith("/") ? issuer.slice(0, -1) : issuer;
}

/** An issuer that two banks claim names neither. */
function issuersOf(banks: Iterable<Bank>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const claimedTwice = new Set<string>();
  for (const bank of banks) {
    const issuer = withoutSlash(bank.issuer);
    if (found.has(issuer)) claimedTwice.add(issuer);
    found.set(issuer, bank.bankId);
  }
  for (const issuer of claimedTwice) found.delete(issuer);
  return found;
}

function keysOf(merchants: Iterable<WatchedMerchant>): ReadonlyMap<string, { merchantId: string; keyId: string }> {
  const found = new Map<string, { merchantId: string; keyId: string }>();
  for (const { merchantId, keys } of merchants) {
    for (const { keyId, hashHex } of keys) found.set(hashHex, { merchantId, keyId });
  }
  return found;
}
