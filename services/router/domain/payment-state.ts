/** The states of a payment. */
export type PaymentStatus =
  | "pending"
  | "authorized"
  | "declined"
  | "failed"
  | "captured"
  | "voided"
  | "expired"
  | "refunded";

/** What can happen to a payment. `refund_part` leaves something to refund, `refund_rest` does not. */
export type PaymentEventKind =
  | "approve"
  | "decline"
  | "fail"
  | "capture"
  | "void"
  | "expire"
  | "refund_part"
  | "refund_rest";

/**
 * The whole machine: state, event, next state. What is not listed cannot happen. Each transition is written as a
 * conditional update on the state it starts from, so of two at once one wins and the other reads the winner's state.
 */
export const paymentTransitions: Readonly<
  Record<PaymentStatus, Readonly<Partial<Record<PaymentEventKind, PaymentStatus>>>>
> = Object.freeze({
  pending: { approve: "authorized", decline: "declined", fail: "failed" },
  authorized: { capture: "captured", void: "voided", expire: "expired" },
  captured: { refund_part: "captured", refund_rest: "refunded" },
  declined: {},
  failed: {},
  voided: {},
  expired: {},
  refunded: {},
});

/** The state after an event, or undefined where the event is not allowed. */
export function nextStatus(status: PaymentStatus, event: PaymentEventKind): PaymentStatus | undefined {
  return paymentTransitions[status][event];
}

/** Every state, in the order of the machine. */
export const paymentStatuses: readonly PaymentStatus[] = Object.freeze(
  Object.keys(paymentTransitions) as PaymentStatus[], // the record's keys are exactly the states
);

/** Reads a state written as text; undefined for anything else. */
export function parsePaymentStatus(text: string): PaymentStatus | undefined {
  return paymentStatuses.find((status) => status === text);
}
