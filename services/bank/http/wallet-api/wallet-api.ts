import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { errorBody, translateError } from "../../../platform/errors/error-table.ts";
import { reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import { isUuid, uuidv7 } from "../../../platform/ids/uuidv7.ts";
import { toMajorNumber } from "../../../platform/money/amount.ts";
import { bearerToken } from "../../../platform/oidc/jwt-token-endpoints.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { issueWalletToken, walletTokenLifeMs } from "../../domain/card-token.ts";
import { readCardAccessToken } from "../../oidc/card-access-token.ts";
import type { ReadCredential } from "../../oidc/read-credential.ts";
import type { CustomerStore, OwnedCard } from "../../storage/customer-store.ts";
import type { MintedTokenStore } from "../../storage/minted-token-store.ts";
import type { WalletCredentialStore } from "../../storage/wallet-credential-store.ts";
import { type CredentialRoutesDeps, credentialRoutes } from "./credential-routes.ts";
import { requireCredential } from "./require-credential.ts";
import { readTokenRequest } from "./token-request.ts";
import { walletErrors } from "./wallet-errors.ts";

/** What the wallet API needs. */
export interface WalletApiDeps extends CredentialRoutesDeps {
  readonly bsimId: string;
  readonly issuer: string;
  readonly cardTokenKey: Uint8Array;
  readonly readCredential: ReadCredential;
  readonly credentials: WalletCredentialStore;
  readonly customers: CustomerStore;
  readonly tokens: MintedTokenStore;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
  /** Runs before each call; throws `RATE_LIMITED` for a caller who calls too often. */
  readonly countCall: (request: FastifyRequest) => Promise<void>;
}

/** Mounts the wallet API; register with prefix `/api/wallet`. Contract section 2.10. */
export async function walletApi(app: FastifyInstance, deps: WalletApiDeps): Promise<void> {
  app.setErrorHandler((thrown, request, reply) => {
    const error = translateError(walletErrors, reasonOfHttpError(thrown));
    if (error.http >= 500)
      deps.log.error({ requestId: request.id, reason: error.reason, err: thrown }, "wallet call failed");
    if (error.http === 401) reply.header("www-authenticate", "Bearer");
    const retryAfterSeconds = error.members["retryAfterSeconds"];
    if (typeof retryAfterSeconds === "number") reply.header("retry-after", String(retryAfterSeconds));
    return reply.code(error.http).type("application/json; charset=utf-8").send(errorBody(error));
  });

  app.addHook("onRequest", deps.countCall);

  app.get("/cards", async (request) => {
    const credential = await requireCredential(deps, request, "cards:read");
    const cards = await deps.customers.activeCards(credential.customerId);
    return { cards: cards.filter((card) => credential.cardIds.includes(card.id)).map(toWalletCard) };
  });

  app.get("/cards/enroll", async (request) => {
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) throw new DomainError("CREDENTIAL_MISSING");
    const fiUserRef = await readCardAccessToken(deps.cardTokenKey, deps.issuer, token, deps.clock.now());
    const customer = fiUserRef === undefined ? undefined : await deps.customers.findByRef(fiUserRef);
    if (customer === undefined) throw new DomainError("CREDENTIAL_INVALID");
    return { cards: (await deps.customers.activeCards(customer.id)).map(toWalletCard) };
  });

  for (const path of ["/request-token", "/tokens"]) app.post(path, (request) => mintToken(deps, request));

  app.post<{ Params: { tokenId: string } }>("/tokens/:tokenId/revoke", async (request) => {
    const credential = await requireCredential(deps, request, "payments:create");
    const { customerId, walletId } = credential;
    const { tokenId } = request.params;
    const found = isUuid(tokenId) && (await deps.tokens.revoke(tokenId, { customerId, walletId }, deps.clock.now()));
    if (!found) throw new DomainError("NOT_FOUND");
    return { revoked: true };
  });

  await credentialRoutes(app, deps);
}

async function mintToken(deps: WalletApiDeps, request: FastifyRequest) {
  const credential = await requireCredential(deps, request, "payments:create");
  const wanted = readTokenRequest(request.body);
  if (!credential.cardIds.includes(wanted.cardId)) throw new DomainError("CARD_NOT_AUTHORIZED");
  const card = (await deps.customers.activeCards(credential.customerId)).find((each) => each.id === wanted.cardId);
  if (card === undefined) throw new DomainError("CARD_UNAVAILABLE");
  const now = deps.clock.now();
  const tokenId = uuidv7(now.getTime());
  const expiresAt = new Date((Math.floor(now.getTime() / 1000) + walletTokenLifeMs / 1000) * 1000);
  const { merchantId, amountMinor, currency } = wanted;
  // The row first: a token that left without one would be refused at the till.
  const added = await deps.tokens.add({
    tokenRef: tokenId,
    kind: "wallet",
    cardId: card.id,
    customerId: credential.customerId,
    credentialId: credential.id,
    merchantId,
    amountMinor,
    currency,
    expiresAt,
  });
  if (!added) throw new DomainError("CREDENTIAL_REVOKED");
  const claims = {
    jti: tokenId,
    cardId: card.id,
    fiUserRef: credential.fiUserRef,
    walletId: credential.walletId,
    bsimId: deps.bsimId,
    ...(merchantId === undefined ? {} : { merchantId }),
    ...(currency === undefined ? {} : { currency }),
    ...(currency === undefined || amountMinor === undefined ? {} : { amount: toMajorNumber(amountMinor, currency) }),
  };
  return toTokenAnswer(issueWalletToken(deps.cardTokenKey, claims, now), tokenId, expiresAt, card);
}

function toTokenAnswer(token: string, tokenId: string, expiresAt: Date, card: OwnedCard) {
  return {
    cardToken: token,
    token,
    tokenId,
    expiresAt: expiresAt.toISOString(),
    tokenType: "single_use",
    cardInfo: { lastFour: card.lastFour, cardType: card.brand },
  };
}

// Both spellings of every member: wallets of either generation read theirs.
function toWalletCard(card: OwnedCard) {
  return {
    id: card.id,
    cardRef: card.id,
    cardType: card.brand,
    cardHolder: card.holder,
    cardholderName: card.holder,
    lastFour: card.lastFour,
    expiryMonth: card.expiryMonth,
    expiryYear: card.expiryYear,
    isActive: true,
    status: "active",
  };
}
