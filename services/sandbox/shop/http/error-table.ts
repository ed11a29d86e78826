import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";

const failed = (http: number, error: string, message: string) => ({
  code: http === 404 ? GrpcCode.NOT_FOUND : http >= 500 ? GrpcCode.UNAVAILABLE : GrpcCode.FAILED_PRECONDITION,
  http,
  error,
  message,
});

/** How the shop's reasons are told, in words for a customer. */
export const shopErrors: ErrorTable = Object.freeze({
  CART_EMPTY: failed(400, "cart_empty", "Your cart is empty."),
  ORDER_NOT_FOUND: failed(404, "order_not_found", "There is no such order in this browser."),
  ORDER_NOT_PAYABLE: failed(409, "order_not_payable", "This order is paid already, or a payment is under way."),
  PRODUCT_UNKNOWN: failed(404, "product_unknown", "We do not sell that."),
  PROVIDER_UNKNOWN: failed(404, "provider_unknown", "That way of paying is not offered."),
  PROVIDER_REFUSED: failed(502, "provider_refused", "The wallet refused to start this payment. Nothing was charged."),
  PROVIDER_UNAVAILABLE: failed(
    502,
    "provider_unavailable",
    "The wallet cannot be reached right now. Nothing was charged.",
  ),
  RETURN_UNKNOWN: failed(
    400,
    "return_unknown",
    "This payment was not started in this browser, or too long ago. Nothing was charged. Please start again from your cart.",
  ),
  ACTION_NOT_POSSIBLE: failed(409, "action_not_possible", "This payment does not allow that any more."),
  ACTION_REFUSED: failed(
    409,
    "action_refused",
    "The payment network refused. Check the amount; the order shows where the payment stands.",
  ),
  PAGE_OUTDATED: failed(409, "page_outdated", "The order changed after this page was shown. Please look again."),
  ROUTER_UNAVAILABLE: failed(
    502,
    "router_unavailable",
    "The payment network did not answer. Please look at the order again in a moment before you repeat anything.",
  ),
});
