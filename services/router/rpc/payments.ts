import type { JsonObject } from "@bufbuild/protobuf";
import type { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { toMajorNumber } from "../../platform/money/amount.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import { principalOf } from "../../platform/rpc/principal.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Payment } from "../domain/payment.ts";
import { parsePaymentStatus } from "../domain/payment-state.ts";
import type { PaymentStore } from "../storage/payment-store.ts";
import { merchantOf } from "./merchant-of.ts";
import { checkedUuid, pageSizeOf, readPageToken, writePageToken } from "./page-token.ts";
import { filterOf } from "./request-text.ts";

type ReadHandlers = Pick<Handlers<typeof Router>, "getPayment" | "listPayments">;

/** `GetPayment` and `ListPayments`. No card token is among their members: none is stored. */
export function paymentReadHandlers(payments: PaymentStore): ReadHandlers {
  return {
    getPayment: async (request, ctx) => {
      const merchantId = merchantOf(ctx);
      const payment = isUuid(request.id) ? await payments.find(merchantId, request.id) : undefined;
      if (payment === undefined) throw new DomainError("PAYMENT_NOT_FOUND");
      return paymentMessage(payment);
    },
    listPayments: async (request, ctx) => {
      const limit = pageSizeOf(request.pageSize);
      const after = readPageToken(request.pageToken, 2);
      const found = await payments.list({
        merchantId: listedMerchant(request.merchantId, ctx),
        orderId: filterOf("orderId", request.orderId),
        status: statusOf(request.status),
        after: after && { createdAt: after.at, merchantId: after.ids[0] ?? "", paymentId: checkedUuid(after.ids[1]) },
        limit: limit + 1,
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        payments: page.map(paymentMessage),
        nextPageToken: last === undefined ? "" : writePageToken(last.createdAt, [last.merchantId, last.paymentId]),
      };
    },
  };
}

/** A merchant sees its own; naming another is refused. An operator sees the one named, or all. */
function listedMerchant(asked: string, ctx: CallContext): string | undefined {
  if (principalOf(ctx.principal, "operator") !== undefined) return filterOf("merchantId", asked);
  const own = merchantOf(ctx);
  if (asked !== "" && asked !== own) throw new DomainError("PERMISSION_DENIED");
  return own;
}

function statusOf(text: string): ReturnType<typeof parsePaymentStatus> {
  if (text === "") return undefined;
  const status = parsePaymentStatus(text);
  if (status === undefined) throw new DomainError("INVALID_ARGUMENT", { why: "status is not one a payment has" });
  return status;
}

function paymentMessage(payment: Payment) {
  const { currency } = payment;
  return {
    id: payment.paymentId,
    transactionId: payment.paymentId,
    merchantId: payment.merchantId,
    orderId: payment.orderId,
    amount: toMajorNumber(payment.amountMinor, currency),
    currency,
    status: payment.status,
    capturedAmount: toMajorNumber(payment.capturedMinor, currency),
    refundedAmount: toMajorNumber(payment.refundedMinor, currency),
    createdAt: payment.createdAt.toISOString(),
    updatedAt: payment.updatedAt.toISOString(),
    ...(payment.merchantName === undefined ? {} : { merchantName: payment.merchantName }),
    ...(payment.authorizationCode === undefined ? {} : { authorizationCode: payment.authorizationCode }),
    ...(payment.description === undefined ? {} : { description: payment.description }),
    // Written by `metadataText` from an object.
    ...(payment.metadataJson === undefined ? {} : { metadata: JSON.parse(payment.metadataJson) as JsonObject }),
    ...(payment.declineReason === undefined ? {} : { declineReason: payment.declineReason }),
    ...(payment.bankId === undefined ? {} : { bsimId: payment.bankId }),
    ...(payment.expiresAt === undefined ? {} : { expiresAt: payment.expiresAt.toISOString() }),
  };
}
