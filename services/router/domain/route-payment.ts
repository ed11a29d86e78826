import type { Bank, BankDirectory } from "./bank-directory.ts";
import { readCardTokenBank } from "./card-token.ts";
import { parseWalletCardToken } from "./wallet-card-token.ts";

/** `declineReason` texts of a payment that reaches no bank. */
export type RoutingDecline = "Invalid wallet card token" | "Unknown bank" | "Bank not active" | "Bank mismatch";

/** Where a payment goes. `bankId` of a decline is the registered bank that was meant, if any; no bank is called. */
export type Route =
  | { readonly kind: "bank"; readonly bank: Bank }
  | { readonly kind: "declined"; readonly reason: RoutingDecline };

/** What a route is chosen from. */
export interface RoutingRequest {
  readonly walletCardToken: string | undefined;
  readonly cardToken: string;
}

/**
 * The routing table: walletCardToken is read first, the card token may only agree with it, and the default bank is asked
 * only when neither names a bank. A bank in maintenance is still the route; the caller answers that it is unavailable.
 */
export function routePayment(request: RoutingRequest, directory: BankDirectory, defaultBankId: string): Route {
  const named = readCardTokenBank(request.cardToken, directory);
  if (request.walletCardToken === undefined) {
    if (named.kind === "malformed") return declined("Invalid wallet card token");
    return toBank(named.kind === "named" ? named.bankId : defaultBankId, directory);
  }
  const token = parseWalletCardToken(request.walletCardToken);
  if (token === undefined) return declined("Invalid wallet card token");
  const route = toBank(token.bankId, directory);
  if (route.kind === "declined") return route;
  if (named.kind === "malformed") return declined("Invalid wallet card token");
  if (named.kind === "named" && named.bankId !== token.bankId) return declined("Bank mismatch");
  return route;
}

function toBank(bankId: string, directory: BankDirectory): Route {
  const bank = directory.bank(bankId);
  if (bank === undefined) return declined("Unknown bank");
  if (bank.status === "inactive") return declined("Bank not active");
  return { kind: "bank", bank };
}

function declined(reason: RoutingDecline): Route {
  return { kind: "declined", reason };
}
