import { DomainError } from "../../platform/errors/domain-error.ts";
import type { RouterPayments } from "./clients/router-payments.ts";
import { assertPossible, type DeskAction, type Order } from "./domain/order.ts";
import type { OrderStore, Scope } from "./storage/order-store.ts";

/** What a desk action needs. */
export interface DeskDeps {
  readonly orders: OrderStore;
  readonly payments: RouterPayments;
}

/** One action on one order. `refundedMinor` is what the page had shown, so a form sent twice refunds once. */
export interface DeskCommand {
  readonly scope: Scope;
  readonly orderId: string;
  readonly action: DeskAction;
  /** Minor units; all that is left when absent. */
  readonly amountMinor?: bigint;
  readonly refundedMinor?: bigint;
}

/**
 * Captures, voids or refunds at the Router and writes what became of it. Throws `ORDER_NOT_FOUND`,
 * `ACTION_NOT_POSSIBLE`, `PAGE_OUTDATED` when the order changed since the page was made, `ACTION_REFUSED` {error} and
 * `ROUTER_UNAVAILABLE`; after a refusal the order shows the state the payment really has.
 */
export async function actOnOrder(deps: DeskDeps, command: DeskCommand): Promise<Order> {
  const order = await deps.orders.find(command.orderId, command.scope);
  if (order === undefined) throw new DomainError("ORDER_NOT_FOUND");
  assertPossible(order, command.action);
  if (command.refundedMinor !== undefined && command.refundedMinor !== order.refundedMinor) {
    throw new DomainError("PAGE_OUTDATED");
  }
  if (order.transactionId === null) throw new DomainError("ACTION_NOT_POSSIBLE", { action: command.action });
  const payment = { transactionId: order.transactionId, currency: order.currency };
  const result = await deps.payments.act(payment, command.action, command.amountMinor);
  // A refused refund is told as `failed`, which is about the refund and not about the payment.
  const state = result.state === null || result.state === "failed" ? order.state : result.state;
  await deps.orders.applyDesk(order.id, {
    from: order.state,
    state,
    capturedMinor: result.done ? result.capturedMinor : null,
    refundedMinor: result.done ? result.refundedMinor : null,
  });
  if (!result.done) throw new DomainError("ACTION_REFUSED", { error: result.error });
  return (await deps.orders.find(command.orderId, command.scope)) ?? order;
}
