import { hash } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { errorBody, translateError } from "../../../platform/errors/error-table.ts";
import { reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import { toMajorNumber } from "../../../platform/money/amount.ts";
import type { Currency } from "../../../platform/money/currency.ts";
import { hashesEqual } from "../../../platform/secrets/keyed-hash.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { tokenRefusal } from "../../domain/authorize.ts";
import type { AuthorizeAnswer } from "../../storage/authorization-answer.ts";
import type { AuthorizationStore } from "../../storage/authorization-store.ts";
import type { Authorizer } from "../../storage/authorizer.ts";
import type { CardTokenStore } from "../../storage/card-token-store.ts";
import { paymentErrors } from "./payment-errors.ts";
import {
  type AuthorizeBody,
  hashRequest,
  readAmountBody,
  readAuthorizeBody,
  readCardTokenBody,
  readIdempotencyKey,
  readVoidBody,
} from "./payment-request.ts";

/**
 * Verifies a card token and gives the reference it is stored under, undefined for one that is not of this bank, forged
 * or past its end. Whether it was used or revoked is the store's to say.
 */
export type ReadCardToken = (cardToken: string) => Promise<string | undefined> | string | undefined;

/** What the payment network API needs. */
export interface PaymentNetworkDeps {
  /** The key the bank gave to the payment network (`X-API-Key`). */
  readonly apiKey: string;
  readonly authorizer: Authorizer;
  readonly authorizations: AuthorizationStore;
  readonly cardTokens: CardTokenStore;
  readonly readCardToken: ReadCardToken;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
}

/** Mounts the payment network API; register with prefix `/api/payment-network`. A decline or refusal is HTTP 200. */
export async function paymentNetwork(app: FastifyInstance, deps: PaymentNetworkDeps): Promise<void> {
  // Hashes are compared, in constant time, so neither content nor length of the key shows.
  const expectedKey = hash("sha256", deps.apiKey, "buffer");
  app.addHook("onRequest", (request, _reply, done) => {
    const key = request.headers["x-api-key"];
    const known = typeof key === "string" && hashesEqual(hash("sha256", key, "buffer"), expectedKey);
    done(known ? undefined : new DomainError("UNAUTHENTICATED"));
  });
  app.setErrorHandler((thrown, request, reply) => sendPaymentError(deps, thrown, request, reply));

  app.post("/authorize", (request) => authorize(deps, request));
  app.post("/capture", (request) => {
    const { authorizationCode, amount, parseAmount } = readAmountBody(request.body);
    return deps.authorizations.capture(
      { ...keyed(request, ["capture", authorizationCode, amount]), authorizationCode, parseAmount },
      deps.clock.now(),
    );
  });
  app.post("/refund", (request) => {
    const { authorizationCode, amount, parseAmount } = readAmountBody(request.body);
    return deps.authorizations.refund(
      { ...keyed(request, ["refund", authorizationCode, amount]), authorizationCode, parseAmount },
      deps.clock.now(),
    );
  });
  app.post("/void", (request) => {
    const body = readVoidBody(request.body);
    const now = deps.clock.now();
    // By key it is idempotent as it is: a repeat finds the hold released or its own tombstone.
    if ("authorizeKey" in body) return deps.authorizations.voidByKey(body.authorizeKey, now);
    const { authorizationCode } = body;
    return deps.authorizations.void({ ...keyed(request, ["void", authorizationCode]), authorizationCode }, now);
  });
  app.post("/validate-token", async (request) => {
    const tokenRef = await deps.readCardToken(readCardTokenBody(request.body));
    if (tokenRef === undefined) return { valid: false };
    const found = await deps.cardTokens.findWithCard(tokenRef);
    return { valid: found?.cardActive === true && tokenRefusal(found.token, deps.clock.now()) === undefined };
  });
}

async function authorize(deps: PaymentNetworkDeps, request: FastifyRequest): Promise<object> {
  const body = readAuthorizeBody(request.body);
  const idempotencyKey = readIdempotencyKey(request.headers["idempotency-key"]);
  const tokenRef = await deps.readCardToken(body.cardToken);
  const id = uuidv7(deps.clock.now().getTime());
  const answer = await deps.authorizer.authorize({
    id,
    // The last two groups of the id: 62 random bits.
    authorizationCode: `AUTH-${id.slice(19).replace("-", "").toUpperCase()}`,
    request: { tokenRef, merchantId: body.merchantId, amountMinor: body.amountMinor, currency: body.currency },
    merchantName: body.merchantName,
    orderId: body.orderId,
    description: body.description,
    idempotencyKey,
    requestHash: hashAuthorize(body),
  });
  return authorizeBody(answer, body.currency);
}

function authorizeBody(answer: AuthorizeAnswer, currency: Currency): object {
  switch (answer.kind) {
    case "approved":
      return {
        status: "approved",
        authorizationCode: answer.authorizationCode,
        availableCredit: toMajorNumber(answer.availableMinor, currency),
      };
    case "declined":
      return { status: "declined", declineReason: answer.declineReason };
    case "conflict":
      throw new DomainError("IDEMPOTENCY_CONFLICT");
    default: {
      const impossible: never = answer;
      throw new Error(`unreachable answer ${String(impossible)}`);
    }
  }
}

function hashAuthorize(body: AuthorizeBody): Buffer {
  const { cardToken, amountMinor, currency, merchantId, merchantName, orderId, description } = body;
  return hashRequest(["authorize", cardToken, amountMinor, currency, merchantId, merchantName, orderId, description]);
}

function keyed(request: FastifyRequest, members: readonly (string | number)[]) {
  return {
    idempotencyKey: readIdempotencyKey(request.headers["idempotency-key"]),
    requestHash: hashRequest(members),
  };
}

function sendPaymentError(
  deps: PaymentNetworkDeps,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = translateError(paymentErrors, reasonOfHttpError(thrown));
  if (error.http >= 500) deps.log.error({ requestId: request.id, reason: error.reason, err: thrown }, "payment failed");
  return reply.code(error.http).type("application/json; charset=utf-8").send(errorBody(error));
}
