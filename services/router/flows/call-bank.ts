import type { Bank } from "../domain/bank-directory.ts";
import type { OperationOutcome } from "../domain/bank-outcome.ts";
import type { Operation } from "../domain/operation.ts";
import { bankDeadlineMs, type Payment } from "../domain/payment.ts";
import { pauseUntil } from "./pause.ts";
import type { PaymentDesk } from "./payment-desk.ts";

/** Pauses before a capture or void is sent again. */
const retryPausesMs: readonly number[] = [500, 1_000, 2_000];

/** An operation to carry out at its bank while somebody waits. */
export interface BankCall {
  readonly bank: Bank;
  readonly payment: Payment;
  readonly operation: Operation;
  /** When nobody waits any more, epoch milliseconds; no call is begun that could pass it. */
  readonly deadlineAtMs: number;
}

/** Time to write the outcome down and answer. */
const answerMs = 1_000;

/**
 * Calls the bank, again after 0.5, 1 and 2 s while the outcome is not known. A refund is sent once to a bank that has not
 * declared idempotency: a second one could pay twice, while a second capture or void finds the first one's state.
 */
export async function callBank(desk: PaymentDesk, call: BankCall): Promise<OperationOutcome> {
  const { bank, payment, operation } = call;
  const repeatable = operation.kind !== "refund" || bank.idempotency;
  const lastStartMs = call.deadlineAtMs - bankDeadlineMs - answerMs;
  let outcome = await desk.banks.operate(bank, payment, operation, false);
  for (const pauseMs of retryPausesMs) {
    if (outcome !== "unknown" || !repeatable) return outcome;
    if (!(await pauseUntil(pauseMs, lastStartMs))) return outcome;
    outcome = await desk.banks.operate(bank, payment, operation, true);
  }
  return outcome;
}
