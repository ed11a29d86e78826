import { outcomeOf } from "../flows/outcome.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";

const batchMax = 100;

/**
 * Ends payments that a dead process left pending: they become `failed`, and the hold that may lie at the bank is released
 * by key, or listed where the bank cannot. Ended first and released after, so that an answer written late finds the payment
 * failed and never authorizes one whose hold is gone. Returns how many were ended.
 */
export async function settleAbandoned(desk: PaymentDesk): Promise<number> {
  let ended = 0;
  for (;;) {
    const now = desk.clock.now();
    const batch = await desk.sweeps.settleAbandoned(now, batchMax, (payment) => {
      const bank = payment.bankId === undefined ? undefined : desk.directory.bank(payment.bankId);
      const answer = { kind: "failed", reason: "bank_timeout", holdPossible: true } as const;
      return outcomeOf(payment, bank, answer, { at: now, eventId: desk.newId() });
    });
    ended += batch;
    if (batch < batchMax) break;
  }
  if (ended > 0) desk.log.warn({ swept: ended }, "payments left pending were ended");
  return ended;
}
