import type { FastifyInstance, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { toMajorNumber } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import type { Order } from "../domain/order.ts";
import type { OrderStore, Scope } from "../storage/order-store.ts";
import type { Visitors } from "./visitors.ts";

/** What the JSON routes need. */
export interface JsonRoutesDeps {
  readonly orders: OrderStore;
  readonly visitors: Visitors;
  readonly merchantApiKey: string;
}

/**
 * Orders for programs: those of the browser whose cookie comes along, or all of them with the merchant's own API key.
 * Newest first; `before` (an order id) pages on.
 */
export function addJsonRoutes(app: FastifyInstance, deps: JsonRoutesDeps): void {
  app.get<{ Querystring: { before?: string; limit?: string } }>("/api/orders", async (request) => {
    const limit = Number.parseInt(request.query.limit ?? "50", 10);
    const orders = await deps.orders.list(await scopeOf(deps, request), {
      limit: Number.isInteger(limit) && limit > 0 ? limit : 50,
      ...(request.query.before === undefined ? {} : { before: request.query.before }),
    });
    return { orders: orders.map(orderJson) };
  });
  app.get<{ Params: { orderId: string } }>("/api/orders/:orderId", async (request) => {
    const order = await deps.orders.find(request.params.orderId, await scopeOf(deps, request));
    if (order === undefined) throw new DomainError("ORDER_NOT_FOUND");
    return orderJson(order);
  });
}

async function scopeOf(deps: JsonRoutesDeps, request: FastifyRequest): Promise<Scope> {
  const key = request.headers["x-api-key"];
  if (typeof key === "string") {
    if (textsEqual(key, deps.merchantApiKey)) return "desk";
    throw new DomainError("UNAUTHENTICATED");
  }
  const visitor = await deps.visitors.known(request);
  if (visitor === undefined) throw new DomainError("UNAUTHENTICATED");
  return { sessionId: visitor.sessionId };
}

function orderJson(order: Order) {
  const currency = parseCurrency(order.currency);
  const optional = (name: string, value: string | null) => (value === null ? {} : { [name]: value });
  return {
    id: order.id,
    state: order.state,
    amount: toMajorNumber(order.totalMinor, currency),
    currency: order.currency,
    method: order.method,
    capturedAmount: toMajorNumber(order.capturedMinor, currency),
    refundedAmount: toMajorNumber(order.refundedMinor, currency),
    ...optional("transactionId", order.transactionId),
    ...optional("authorizationCode", order.authorizationCode),
    ...optional("bankId", order.bankId),
    ...optional("bankName", order.bankName),
    ...optional("declineReason", order.declineReason),
    lines: order.lines.map((line) => ({
      productId: line.productId,
      name: line.name,
      quantity: line.quantity,
      unitPrice: toMajorNumber(line.priceMinor, currency),
    })),
    createdAt: order.createdAt.toISOString(),
    updatedAt: order.updatedAt.toISOString(),
  };
}
