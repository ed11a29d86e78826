import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { Line } from "./catalogue.ts";

/**
 * Where an order stands. `awaiting_payment` has no money behind it; `paying` means the Router may or may not have been
 * asked; the rest are the Router's own words.
 */
export type OrderState =
  | "awaiting_payment"
  | "paying"
  | "authorized"
  | "captured"
  | "refunded"
  | "voided"
  | "expired"
  | "cancelled"
  | "declined"
  | "failed";

/** How the customer chose to pay. */
export type PaymentMethod = "wallet" | "bank";

/** An order with its payment. Amounts are minor units of `currency`. */
export interface Order {
  readonly id: string;
  readonly sessionId: string;
  readonly state: OrderState;
  readonly lines: readonly Line[];
  readonly totalMinor: bigint;
  readonly currency: string;
  readonly method: PaymentMethod;
  readonly transactionId: string | null;
  readonly authorizationCode: string | null;
  readonly bankId: string | null;
  readonly bankName: string | null;
  readonly declineReason: string | null;
  readonly capturedMinor: bigint;
  readonly refundedMinor: bigint;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What the shop's desk can do with a payment. */
export type DeskAction = "capture" | "void" | "refund";

const actionsByState: Readonly<Record<OrderState, readonly DeskAction[]>> = {
  awaiting_payment: [],
  paying: [],
  authorized: ["capture", "void"],
  captured: ["refund"],
  refunded: [],
  voided: [],
  expired: [],
  cancelled: [],
  declined: [],
  failed: [],
};

const payableStates: readonly OrderState[] = [
  "awaiting_payment",
  "cancelled",
  "declined",
  "failed",
  "voided",
  "expired",
];

/** The actions an order allows now; the Router decides in the end. */
export function actionsFor(order: Pick<Order, "state">): readonly DeskAction[] {
  return actionsByState[order.state];
}

/** Whether the customer may pay this order (again). */
export function isPayable(order: Pick<Order, "state">): boolean {
  return payableStates.includes(order.state);
}

/** Throws `ACTION_NOT_POSSIBLE` when the order's state does not allow the action. */
export function assertPossible(order: Pick<Order, "state">, action: DeskAction): void {
  if (!actionsFor(order).includes(action)) throw new DomainError("ACTION_NOT_POSSIBLE", { action, state: order.state });
}

/**
 * The order id written on receipts and sent to the Router: `shop-` and ten hex digits, given five random bytes.
 */
export function orderIdFrom(randomHex: string): string {
  return `shop-${randomHex}`;
}
