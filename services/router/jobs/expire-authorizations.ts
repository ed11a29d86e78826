import { composeEvent } from "../domain/payment-event.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";

const batchMax = 200;

/**
 * Ends authorizations that were neither captured nor voided in their seven days, and queues the release of their holds.
 * Returns how many were ended. Safe on several replicas.
 */
export async function expireAuthorizations(desk: PaymentDesk): Promise<number> {
  let ended = 0;
  for (;;) {
    const now = desk.clock.now();
    const batch = await desk.sweeps.expireDue(now, batchMax, (payment) =>
      composeEvent({
        eventId: desk.newId(),
        type: "payment.expired",
        at: now,
        payment: { ...payment, status: "expired" },
      }),
    );
    ended += batch;
    if (batch < batchMax) break;
  }
  if (ended > 0) desk.log.info({ swept: ended }, "authorizations expired");
  return ended;
}
