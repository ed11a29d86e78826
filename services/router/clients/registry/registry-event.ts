import type {
  WatchedBank,
  WatchedMerchant as WatchedMerchantMessage,
} from "../../../../gen/es/paymesh/registry/v1/registry_pb.js";
import type { Bank, BankStatus } from "../../domain/bank-directory.ts";
import type { WatchedMerchant } from "./registry-picture.ts";

/** The bank an event tells of; undefined for one without a row, which the Registry does not send. */
export function bankOf(watched: WatchedBank): Bank | undefined {
  const { bank } = watched;
  if (bank === undefined) return undefined;
  return {
    bankId: bank.bsimId,
    name: bank.name,
    apiBaseUrl: apiRoot(bank.apiBaseUrl),
    issuer: bank.authServerUrl,
    apiKey: watched.apiKey ?? "",
    status: statusOf(bank.status),
    healthy: bank.health !== "unhealthy",
    idempotency: bank.capabilities.includes("idempotency"),
    voidByKey: bank.capabilities.includes("void_by_key"),
  };
}

/** Some banks register the address with `/api` at its end, which their paths begin with once more. */
function apiRoot(url: string): string {
  return url.replace(/\/+$/, "").replace(/\/api$/, "");
}

/** A status this build does not know takes no payments. */
function statusOf(text: string): BankStatus {
  return text === "active" || text === "maintenance" ? text : "inactive";
}

/** The merchant an event tells of; one that is not active has no key that counts. */
export function merchantOf(watched: WatchedMerchantMessage): WatchedMerchant {
  const keys = watched.status === "active" ? watched.keys : [];
  return {
    merchantId: watched.merchantId,
    keys: keys.map((key) => ({ keyId: key.keyId, hashHex: Buffer.from(key.hash).toString("hex") })),
  };
}
