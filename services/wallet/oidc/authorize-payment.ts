import { setTimeout as delay } from "node:timers/promises";
import type { Provider } from "oidc-provider";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid, uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";
import type { PaymentRequest } from "../domain/payment-request.ts";
import { type IssuedCardToken, requestCardToken } from "../flows/request-card-token.ts";
import {
  authorizePayment,
  claimPayment,
  findPaymentProgress,
  noteRevocation,
  refusePayment,
} from "../storage/oidc-payments-store.ts";
import { type OidcDeps, paymentContextMs, paymentResource, paymentScope } from "./oidc-deps.ts";
import { cardTokenData } from "./payment-claims.ts";

/** Longer than the bank may take; a claim older than this belongs to a process that died. */
const leaseMs = 20_000;
const pollMs = 150;
/** A merchant needs this long to use a card token; one with less left would only be declined. */
const tokenLeftMinMs = 30_000;

/** The customer's press of Authorize. */
export interface AuthorizeCommand {
  readonly interactionUid: string;
  readonly userId: string;
  readonly clientId: string;
  readonly cardId: string;
  readonly payment: PaymentRequest;
  readonly oidcScopes: readonly string[];
}

/**
 * Asks the card's bank for a token bound to this payment and keeps it sealed for the merchant's code exchange. Returns the
 * grant to finish the interaction with. Pressed twice, the bank is asked once and both get the same grant. Throws
 * `CARD_NOT_FOUND`, `REENROLMENT_REQUIRED`, `CARD_TOKEN_ERROR` (another card may be tried), `CONFLICT` when another press
 * is still waiting for the bank.
 */
export async function authorizeOnPage(
  deps: OidcDeps,
  provider: Provider,
  command: AuthorizeCommand,
  call: OutgoingCall,
): Promise<string> {
  if (!isUuid(command.cardId)) throw new DomainError("CARD_NOT_FOUND");
  const now = deps.clock.now();
  const paymentId = uuidv7(now.getTime());
  const { amountMinor, currency, merchantId, orderId } = command.payment;
  const claimed = await claimPayment(deps.oidcDb.query, {
    userId: command.userId,
    paymentId,
    interactionUid: command.interactionUid,
    clientId: command.clientId,
    cardId: command.cardId,
    amountMinor,
    currency,
    merchantId,
    orderId,
    leaseUntil: new Date(now.getTime() + leaseMs),
    expiresAt: new Date(now.getTime() + paymentContextMs),
    now,
  });
  if (!claimed) return joinOther(deps, command, call);
  const token = await askBank(deps, command, { paymentId, call });
  return keep(deps, provider, command, { paymentId, token });
}

async function askBank(
  deps: OidcDeps,
  command: AuthorizeCommand,
  { paymentId, call }: { paymentId: string; call: OutgoingCall },
): Promise<IssuedCardToken> {
  const { userId, cardId, payment } = command;
  const { merchantId, merchantName, amountMinor, currency } = payment;
  try {
    return await requestCardToken(deps, { userId, cardId, merchantId, merchantName, amountMinor, currency }, call);
  } catch (error) {
    await refusePayment(deps.oidcDb.query, { userId, paymentId });
    throw error;
  }
}

async function keep(
  deps: OidcDeps,
  provider: Provider,
  command: AuthorizeCommand,
  { paymentId, token }: { paymentId: string; token: IssuedCardToken },
): Promise<string> {
  const { userId, clientId } = command;
  const grant = new provider.Grant({ accountId: userId, clientId });
  grant.addOIDCScope(command.oidcScopes.join(" "));
  grant.addResourceScope(paymentResource, paymentScope);
  const grantId = await grant.save();
  const kept = await authorizePayment(deps.oidcDb.query, {
    userId,
    paymentId,
    grantId,
    connectionId: token.connectionId,
    walletCardToken: token.card.walletCardToken,
    tokenId: token.tokenId,
    usableUntil: new Date(token.expiresAt.getTime() - tokenLeftMinMs),
    sealedCardToken: deps.box.seal(token.cardToken, cardTokenData(paymentId)),
  });
  if (kept) return grantId;
  // The bank answered after the claim had run out; nobody will ever use this token.
  const { connectionId, tokenId } = token;
  if (tokenId !== undefined) {
    await noteRevocation(deps.oidcDb.query, { userId, connectionId, tokenId, now: deps.clock.now() });
  }
  throw new DomainError("CONFLICT");
}

/** Waits for the press that came first, as long as it may take. */
async function joinOther(deps: OidcDeps, command: AuthorizeCommand, call: OutgoingCall): Promise<string> {
  const deadline = Date.now() + call.timeoutMs;
  for (;;) {
    const other = await findPaymentProgress(deps.oidcDb.query, command.interactionUid);
    if (other?.state === "authorized" && other.grantId !== null && other.userId === command.userId)
      return other.grantId;
    if (other?.state === "refused") throw new DomainError("CARD_TOKEN_ERROR");
    if (other?.state !== "requesting" || Date.now() > deadline) throw new DomainError("CONFLICT");
    await delay(pollMs);
  }
}
