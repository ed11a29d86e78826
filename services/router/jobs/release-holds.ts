import { nextTry } from "../flows/finish-operation.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";
import type { HoldRelease } from "../storage/release-store.ts";

const batchMax = 20;
/** Longer than one call to a bank and its write. */
const leaseMs = 30_000;

/**
 * Asks banks to release the holds nobody may use: those of expired authorizations, and those that may lie behind an
 * authorize without an answer. Repeated with back-off until the bank confirms. Returns how many were taken.
 */
export async function releaseHolds(desk: PaymentDesk): Promise<number> {
  const due = await desk.releases.takeDue(desk.clock.now(), leaseMs, batchMax);
  await Promise.all(due.map((hold) => release(desk, hold)));
  return due.length;
}

async function release(desk: PaymentDesk, hold: HoldRelease): Promise<void> {
  const bank = desk.directory.bank(hold.bankId);
  const released = bank !== undefined && (await desk.banks.release(bank, hold));
  const now = desk.clock.now();
  if (released) await desk.releases.confirm(hold, now);
  else await desk.releases.retryAt(hold, nextTry(now, hold.attempts - 1));
  desk.log.info({ paymentId: hold.paymentId, bankId: hold.bankId, attempts: hold.attempts, outcome: released }, "hold");
}
