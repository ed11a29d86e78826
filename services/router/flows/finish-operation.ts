import { setTimeout as sleep } from "node:timers/promises";
import type { Bank } from "../domain/bank-directory.ts";
import type { OperationOutcome } from "../domain/bank-outcome.ts";
import { applyOperation, type Operation, type OperationKind } from "../domain/operation.ts";
import type { Payment } from "../domain/payment.ts";
import { composeEvent, type PaymentEventType } from "../domain/payment-event.ts";
import type { PaymentDesk } from "./payment-desk.ts";

/** An operation whose bank has been called, and the payment as it was when the intent was written. */
export interface CalledOperation {
  readonly bank: Bank;
  readonly payment: Payment;
  readonly operation: Operation;
  readonly outcome: OperationOutcome;
}

const eventTypes: Readonly<Record<OperationKind, PaymentEventType>> = Object.freeze({
  capture: "payment.captured",
  void: "payment.voided",
  refund: "payment.refunded",
});

const writeRetryMs: readonly number[] = [50, 200, 800];
const backoffMsMin = 1_000;
const backoffMsMax = 600_000;

/**
 * Writes what became of an operation and gives payment and operation as they stand then. An unknown outcome is left to
 * the settling job, or to an operator where the bank cannot be asked again. Throws the database's error when nothing can
 * be written; the intent is still there then, and the job asks the bank again.
 */
export async function finishOperation(
  desk: PaymentDesk,
  called: CalledOperation,
): Promise<{ readonly payment: Payment; readonly operation: Operation }> {
  const { payment, operation, outcome } = called;
  const at = desk.clock.now();
  switch (outcome) {
    case "done":
      return bookOperation(desk, called, at);
    case "refused":
    case "unreachable":
      await retried(() => desk.operations.refuse(operation, { unreachable: outcome === "unreachable", at }));
      return { payment, operation };
    case "unknown":
      if (operation.kind === "refund" && !called.bank.idempotency) {
        await retried(() => desk.operations.leaveUnresolved(operation, payment, "bank_unavailable", at));
      } else {
        await retried(() => desk.operations.settleLater(operation, nextTry(at, operation.attempts)));
      }
      return { payment, operation };
    default: {
      const impossible: never = outcome;
      throw new Error(`unreachable outcome ${String(impossible)}`);
    }
  }
}

/** When to ask a bank again: after 1 s, doubled each time, at most 10 minutes. */
export function nextTry(now: Date, attempts: number): Date {
  return new Date(now.getTime() + Math.min(backoffMsMin * 2 ** Math.min(attempts, 20), backoffMsMax));
}

/** Books an operation that took place at the bank and tells the merchant. A repeat changes nothing. */
export async function bookOperation(
  desk: PaymentDesk,
  { payment, operation }: Pick<CalledOperation, "payment" | "operation">,
  at: Date,
): Promise<{ readonly payment: Payment; readonly operation: Operation }> {
  const after = { ...payment, ...applyOperation(payment, operation), openOperationId: undefined, updatedAt: at };
  const event = composeEvent({
    eventId: desk.newId(),
    type: eventTypes[operation.kind],
    at,
    payment: after,
    ...(operation.kind === "refund"
      ? { refund: { refundId: operation.operationId, amountMinor: operation.amountMinor } }
      : {}),
  });
  const booked = await retried(() => desk.operations.succeed(operation, { ...after, at, event }));
  // Another was faster, the job or an earlier try of ours whose answer was lost: what was written then is what is told.
  const first = booked ? undefined : await desk.operations.find(operation.merchantId, operation.operationId);
  const ended: Operation = {
    ...operation,
    state: "succeeded",
    statusAfter: after.status,
    refundedAfterMinor: after.refundedMinor,
    finishedAt: at,
  };
  return { payment: after, operation: first?.state === "succeeded" ? first : ended };
}

async function retried<T>(write: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      const pauseMs = writeRetryMs[tries];
      if (pauseMs === undefined) throw error;
      await sleep(pauseMs);
    }
  }
}
