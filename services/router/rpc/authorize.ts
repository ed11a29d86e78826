import type { AuthorizeRequest, Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { parseAmount } from "../../platform/money/amount.ts";
import { defaultCurrency, parseCurrency } from "../../platform/money/currency.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { failureMessages, parseFailureReason } from "../domain/bank-outcome.ts";
import { cardTokenLengthMax } from "../domain/card-token.ts";
import type { Payment } from "../domain/payment.ts";
import type { AuthorizeCommand, Authorizer } from "../flows/authorize.ts";
import { failingAs } from "./failing-as.ts";
import { merchantOf } from "./merchant-of.ts";
import { boundedText, idempotencyKeyOf, metadataText, optionalText } from "./request-text.ts";

const nameLengthMax = 255;
const descriptionLengthMax = 1_000;
/** A longer one cannot be read anyway and is declined; this only bounds the work. */
const walletCardTokenTextMax = 1_000;

type AuthorizeHandler = Handlers<typeof Router>["authorize"];

/** `Authorize`: 200 for an authorized payment, 400 with the same body for a declined or failed one. */
export function authorizeHandler(authorizer: Authorizer): AuthorizeHandler {
  return async (request, ctx) => {
    const command = commandOf(request, ctx);
    const payment = await failingAs("AUTHORIZATION_FAILED", () => authorizer.authorize(command));
    const answer = firstAnswer(payment);
    if (answer.status !== "authorized") ctx.setHttpStatus(400);
    return answer;
  };
}

function commandOf(request: AuthorizeRequest, ctx: CallContext): AuthorizeCommand {
  const merchantId = merchantOf(ctx);
  if (request.merchantId !== merchantId) throw new DomainError("PERMISSION_DENIED");
  const currency = request.currency === undefined ? defaultCurrency : parseCurrency(request.currency);
  return {
    merchantId,
    orderId: boundedText("orderId", request.orderId, nameLengthMax),
    amountMinor: parseAmount(request.amount ?? Number.NaN, currency),
    currency,
    cardToken: boundedText("cardToken", request.cardToken, cardTokenLengthMax),
    walletCardToken: optionalText("walletCardToken", request.walletCardToken, walletCardTokenTextMax),
    merchantName: optionalText("merchantName", request.merchantName, nameLengthMax),
    description: optionalText("description", request.description, descriptionLengthMax),
    metadataJson: metadataText(request.metadata),
    idempotencyKey: idempotencyKeyOf(ctx),
    deadlineAtMs: Date.now() + ctx.timeoutMs() - answerMs,
  };
}

/** Kept back from the caller's deadline for answering. */
const answerMs = 250;

/** The answer the payment had when it was decided, whatever became of it since. */
function firstAnswer(payment: Payment): {
  transactionId: string;
  status: "authorized" | "declined" | "failed";
  timestamp: string;
  authorizationCode?: string;
  declineReason?: string;
  error?: string;
  message?: string;
} {
  const timestamp = (payment.decidedAt ?? payment.updatedAt).toISOString();
  const transactionId = payment.paymentId;
  if (payment.status === "declined") {
    return { transactionId, status: "declined", declineReason: payment.declineReason ?? "Declined", timestamp };
  }
  if (payment.status === "failed" || payment.authorizationCode === undefined) {
    const declineReason = parseFailureReason(payment.declineReason);
    const message = failureMessages[declineReason];
    return { transactionId, status: "failed", declineReason, error: "bank_unavailable", message, timestamp };
  }
  return { transactionId, status: "authorized", authorizationCode: payment.authorizationCode, timestamp };
}
