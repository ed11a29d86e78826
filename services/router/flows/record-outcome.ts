import { setTimeout as sleep } from "node:timers/promises";
import type { Bank } from "../domain/bank-directory.ts";
import type { AuthorizeOutcome } from "../domain/bank-outcome.ts";
import type { Payment } from "../domain/payment.ts";
import type { NewPayment, PaymentOutcome } from "../storage/payment-writer.ts";
import { decidedPayment, outcomeOf } from "./outcome.ts";
import type { PaymentDesk } from "./payment-desk.ts";

/** Waits between tries to write a bank's answer: longer in sum than a database restart, shorter than the caller waits. */
const retryMs: readonly number[] = [20, 50, 100, 200, 400, 800, 1_200, 1_600];

/**
 * Writes what the bank said; the payment as it stands afterwards. When a sweep took the payment for left behind and ended
 * it first, that state stands, and a hold the bank told of just now is released.
 * Throws the database's error when nothing can be written in time; the sweep then ends the payment.
 */
export async function recordOutcome(
  desk: PaymentDesk,
  payment: NewPayment,
  bank: Bank,
  answer: AuthorizeOutcome,
): Promise<Payment> {
  const outcome = outcomeOf(payment, bank, answer, { at: desk.clock.now(), eventId: desk.newId() });
  for (let tries = 0; ; tries += 1) {
    try {
      return (await tryRecord(desk, payment, bank, outcome)) ?? decidedPayment(payment, outcome);
    } catch (error) {
      const pauseMs = retryMs[tries];
      if (pauseMs === undefined) throw error;
      desk.log.warn({ err: error, paymentId: payment.paymentId, attempt: tries + 1 }, "outcome not written yet");
      await sleep(pauseMs);
    }
  }
}

/** Undefined when the outcome was written by this call, else the payment as something else left it. */
async function tryRecord(
  desk: PaymentDesk,
  payment: NewPayment,
  bank: Bank,
  outcome: PaymentOutcome,
): Promise<Payment | undefined> {
  if (await desk.writer.recordOutcome(outcome)) return undefined;
  const stored = await desk.payments.find(payment.merchantId, payment.paymentId);
  if (stored === undefined) throw new Error("a payment vanished between its two writes");
  // Written by an earlier try whose answer was lost, or ended by the sweep: only then is there a hold too many.
  const { authorizationCode } = outcome;
  if (authorizationCode !== undefined && stored.authorizationCode !== authorizationCode) {
    const hold = {
      merchantId: payment.merchantId,
      paymentId: payment.paymentId,
      bankId: bank.bankId,
      authorizationCode,
    };
    await desk.releases.add(hold, desk.clock.now());
  }
  return stored;
}
