import { DomainError } from "../../platform/errors/domain-error.ts";
import { toMajorNumber, toMajorText } from "../../platform/money/amount.ts";
import { parseCurrency } from "../../platform/money/currency.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { randomHex, randomToken } from "../../platform/secrets/random-token.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import { type LoginSecrets, newLoginSecrets, type OidcLogin } from "./clients/oidc-login.ts";
import type { AuthorizeRequest, RouterPayments } from "./clients/router-payments.ts";
import {
  bankParameters,
  type CardTokens,
  paymentResource,
  readBankToken,
  readWalletTokens,
  walletParameters,
} from "./clients/wallet-payment.ts";
import { findProduct, type Line, shopCurrency, totalOf } from "./domain/catalogue.ts";
import { type Order, orderIdFrom, type PaymentMethod } from "./domain/order.ts";
import type { Attempt, AttemptStore } from "./storage/attempt-store.ts";
import type { CartEntry, CartStore } from "./storage/cart-store.ts";
import type { OrderStore } from "./storage/order-store.ts";

/** How long a customer may take at the wallet, enrolling a bank included. */
const tripMs = 60 * 60 * 1000;
/** After this long without an answer an authorisation is sent again, with the same key. */
const answerAwaitedMs = 35_000;
const retryPauseMs = 15_000;

/** The provider name of wallet trips. */
export const walletProvider = "wallet";

/** What a checkout needs. `providers` holds the wallet under `wallet` and each direct bank under its id. */
export interface CheckoutDeps {
  readonly merchant: { readonly id: string; readonly name: string };
  readonly providers: ReadonlyMap<string, OidcLogin>;
  readonly payments: RouterPayments;
  readonly orders: OrderStore;
  readonly attempts: AttemptStore;
  readonly carts: CartStore;
  readonly box: SealedBox;
  readonly stateKey: Uint8Array;
  readonly clock: Clock;
  readonly log: { warn(facts: object, text: string): void };
}

/** The journey from a cart to an authorised order. */
export interface Checkout {
  /** Makes an order of the cart and returns the address to send the customer to. Throws `CART_EMPTY`. */
  start(sessionId: string, provider: string): Promise<string>;
  /** Sends the customer off again for an order that is not paid. Throws `ORDER_NOT_FOUND`, `ORDER_NOT_PAYABLE`. */
  payAgain(sessionId: string, orderId: string, provider: string): Promise<string>;
  /**
   * Takes the customer's return and asks the Router. Returns the order's id, whatever became of it; a reload of the same
   * return gives the same order. Throws `RETURN_UNKNOWN` for a state this browser never left with.
   */
  finish(sessionId: string, method: PaymentMethod, currentUrl: URL): Promise<string>;
  /** Sends authorisations again whose answer was lost. Returns how many were settled. */
  settleDue(): Promise<number>;
}

/** Builds the journey. */
export function createCheckout(deps: CheckoutDeps): Checkout {
  return {
    async start(sessionId, provider) {
      const login = loginOf(deps, provider);
      const lines = linesOf(await deps.carts.list(sessionId));
      if (lines.length === 0) throw new DomainError("CART_EMPTY");
      const order = newOrder(sessionId, lines, methodOf(provider), deps.clock.now());
      await deps.orders.create(order);
      return leave(deps, login, { order, provider });
    },
    async payAgain(sessionId, orderId, provider) {
      const login = loginOf(deps, provider);
      const order = await deps.orders.find(orderId, { sessionId });
      if (order === undefined) throw new DomainError("ORDER_NOT_FOUND");
      if (!(await deps.orders.reopen(orderId, methodOf(provider)))) throw new DomainError("ORDER_NOT_PAYABLE");
      return leave(deps, login, { order, provider });
    },
    finish: (sessionId, method, currentUrl) => finish(deps, { sessionId, method, currentUrl }),
    settleDue: () => settleDue(deps),
  };
}

function loginOf(deps: CheckoutDeps, provider: string): OidcLogin {
  const login = deps.providers.get(provider);
  if (login === undefined) throw new DomainError("PROVIDER_UNKNOWN");
  return login;
}

function methodOf(provider: string): PaymentMethod {
  return provider === walletProvider ? "wallet" : "bank";
}

/** The cart at today's prices; products no longer sold fall out. */
export function linesOf(entries: readonly CartEntry[]): readonly Line[] {
  return entries.flatMap(({ productId, quantity }) => {
    const product = findProduct(productId);
    return product === undefined ? [] : [{ productId, name: product.name, quantity, priceMinor: product.priceMinor }];
  });
}

function newOrder(sessionId: string, lines: readonly Line[], method: PaymentMethod, now: Date): Order {
  return {
    id: orderIdFrom(randomHex(5)),
    sessionId,
    state: "awaiting_payment",
    lines,
    totalMinor: totalOf(lines),
    currency: shopCurrency,
    method,
    transactionId: null,
    authorizationCode: null,
    bankId: null,
    bankName: null,
    declineReason: null,
    capturedMinor: 0n,
    refundedMinor: 0n,
    createdAt: now,
    updatedAt: now,
  };
}

async function leave(
  deps: CheckoutDeps,
  login: OidcLogin,
  { order, provider }: { order: Order; provider: string },
): Promise<string> {
  const secrets = newLoginSecrets();
  const attemptId = randomToken(16);
  await deps.attempts.create({
    id: attemptId,
    orderId: order.id,
    sessionId: order.sessionId,
    provider,
    stateHash: keyedHash(deps.stateKey, secrets.state),
    sealedSecrets: deps.box.seal(JSON.stringify(secrets), `trip ${attemptId}`),
    // Kept before anything is asked, so that every repeat of this trip's request carries it.
    idempotencyKey: `${order.id}-${attemptId}`,
    sealedRequest: null,
    tries: 0,
    expiresAt: new Date(deps.clock.now().getTime() + tripMs),
  });
  const parameters = provider === walletProvider ? walletParameters(offerOf(deps, order)) : bankParameters();
  return login.authorizationUrl(secrets, parameters);
}

function offerOf(deps: CheckoutDeps, order: Order) {
  return {
    merchantId: deps.merchant.id,
    merchantName: deps.merchant.name,
    orderId: order.id,
    amount: toMajorText(order.totalMinor, parseCurrency(order.currency)),
    currency: order.currency,
  };
}

async function finish(
  deps: CheckoutDeps,
  { sessionId, method, currentUrl }: { sessionId: string; method: PaymentMethod; currentUrl: URL },
): Promise<string> {
  const stateHash = keyedHash(deps.stateKey, currentUrl.searchParams.get("state") ?? "");
  const attempt = await deps.attempts.takeReturn({ stateHash, sessionId, method, now: deps.clock.now() });
  if (attempt === undefined) {
    const known = await deps.attempts.orderOfState(stateHash, sessionId);
    if (known === undefined) throw new DomainError("RETURN_UNKNOWN");
    return known;
  }
  const order = await deps.orders.find(attempt.orderId, { sessionId });
  if (order === undefined) throw new DomainError("ORDER_NOT_FOUND");
  const tokens = await exchange(deps, attempt, currentUrl);
  if (tokens === undefined) return order.id;
  const request = requestOf(deps, order, tokens);
  const begun = await deps.attempts.beginAuthorizing(attempt, {
    sealed: deps.box.seal(JSON.stringify(request), `request ${attempt.id}`),
    nextTryAt: new Date(deps.clock.now().getTime() + answerAwaitedMs),
  });
  if (!begun) return order.id;
  // An order that is on its way to being paid leaves an empty cart; the order keeps its own lines.
  for (const line of order.lines) await deps.carts.set(sessionId, line.productId, 0);
  await authorize(deps, attempt, request).catch((error: unknown) => {
    // Nothing is known; the stored request is sent again later and the page says so meanwhile.
    deps.log.warn({ err: error, orderId: order.id }, "authorization not answered");
  });
  return order.id;
}

/** The tokens of this trip; undefined when there are none, and the order says why. */
async function exchange(deps: CheckoutDeps, attempt: Attempt, currentUrl: URL): Promise<CardTokens | undefined> {
  const login = loginOf(deps, attempt.provider);
  // Sealed by leave(); only this box opens it.
  const secrets = JSON.parse(deps.box.open(attempt.sealedSecrets, `trip ${attempt.id}`).toString()) as LoginSecrets;
  try {
    if (attempt.provider !== walletProvider) return readBankToken(await login.accessToken(currentUrl, secrets));
    return readWalletTokens(await login.accessToken(currentUrl, secrets, paymentResource));
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const cancelled = error.reason === "PROVIDER_REFUSED" && error.facts["error"] === "access_denied";
    if (!cancelled) deps.log.warn({ err: error, orderId: attempt.orderId }, "wallet answer not usable");
    await deps.attempts.abandon(attempt);
    await deps.orders.leaveUnpaid(attempt.orderId, cancelled ? "cancelled" : "failed", null);
    return undefined;
  }
}

function requestOf(deps: CheckoutDeps, order: Order, tokens: CardTokens): AuthorizeRequest {
  return {
    merchantId: deps.merchant.id,
    merchantName: deps.merchant.name,
    orderId: order.id,
    amount: toMajorNumber(order.totalMinor, parseCurrency(order.currency)),
    currency: order.currency,
    ...tokens,
  };
}

async function authorize(deps: CheckoutDeps, attempt: Attempt, request: AuthorizeRequest): Promise<void> {
  const result = await deps.payments.authorize(request, attempt.idempotencyKey);
  await deps.attempts.settle(attempt, result);
  if (result.transactionId === null) return;
  // Only for the receipt's words: the page asks again when this is lost.
  const bank = await deps.payments.bankOf(result.transactionId).catch(() => undefined);
  if (bank !== undefined) await deps.orders.nameBank(attempt.orderId, bank);
}

async function settleDue(deps: CheckoutDeps): Promise<number> {
  const now = deps.clock.now();
  const due = await deps.attempts.claimDue({ now, nextTryAt: new Date(now.getTime() + retryPauseMs) });
  let settled = 0;
  for (const attempt of due) {
    if (attempt.sealedRequest === null) continue;
    // Sealed by finish(); the very same request must be sent, or the Router would refuse the key.
    const request = JSON.parse(
      deps.box.open(attempt.sealedRequest, `request ${attempt.id}`).toString(),
    ) as AuthorizeRequest;
    try {
      await authorize(deps, attempt, request);
      settled += 1;
    } catch (error) {
      deps.log.warn({ err: error, orderId: attempt.orderId, tries: attempt.tries }, "authorization not answered");
    }
  }
  return settled;
}
