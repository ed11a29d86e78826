import type { Operation } from "../domain/operation.ts";
import { finishOperation, nextTry } from "../flows/finish-operation.ts";
import type { PaymentDesk } from "../flows/payment-desk.ts";

const batchMax = 20;
/** Longer than one call to a bank and its writes. */
const leaseMs = 30_000;

/**
 * Settles operations whose outcome at the bank is not known, or whose process died: the bank is asked again under the same
 * key until it answers. Returns how many were taken. Safe on several replicas.
 */
export async function settleOperations(desk: PaymentDesk): Promise<number> {
  const due = await desk.operations.takeDue(desk.clock.now(), leaseMs, batchMax);
  await Promise.all(due.map((operation) => settle(desk, operation)));
  return due.length;
}

async function settle(desk: PaymentDesk, operation: Operation): Promise<void> {
  const bank = desk.directory.bank(operation.bankId);
  const payment = await desk.payments.find(operation.merchantId, operation.paymentId);
  if (payment === undefined) throw new Error("an operation has lost its payment");
  if (bank === undefined) {
    await desk.operations.settleLater(operation, nextTry(desk.clock.now(), operation.attempts));
    return;
  }
  // Nobody knows whether a refund at such a bank was sent; only an operator can find out.
  const repeatable = operation.kind !== "refund" || bank.idempotency;
  const outcome = repeatable ? await desk.banks.operate(bank, payment, operation, true) : "unknown";
  await finishOperation(desk, { bank, payment, operation, outcome });
  desk.log.info({ operationId: operation.operationId, kind: operation.kind, outcome }, "operation settled");
}
