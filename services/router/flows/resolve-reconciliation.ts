import { DomainError } from "../../platform/errors/domain-error.ts";
import type { OperationState } from "../domain/operation.ts";
import type {
  ReconciliationEntry,
  ReconciliationOutcome,
  ReconciliationStore,
} from "../storage/reconciliation-store.ts";
import { bookOperation } from "./finish-operation.ts";
import type { PaymentDesk } from "./payment-desk.ts";

/** What an operator learned of an outcome that no program could find out. */
export interface ResolveCommand {
  /** Of the operation; for an authorization the payment's. */
  readonly operationId: string;
  readonly outcome: ReconciliationOutcome;
  readonly operator: string;
}

const stateOf: Readonly<Record<ReconciliationOutcome, OperationState>> = { done: "succeeded", not_done: "refused" };

/**
 * Closes an entry. The payment is changed first and the entry after it: a process that dies in between leaves the entry open, and
 * the same word given again finds the payment changed and closes it. Of two operators with different words one wins, and both are
 * told so. Throws `RECONCILIATION_NOT_FOUND` and `RECONCILIATION_CONFLICT`.
 */
export async function resolveReconciliation(
  desk: PaymentDesk,
  store: ReconciliationStore,
  command: ResolveCommand,
): Promise<ReconciliationEntry> {
  const entry = await store.find(command.operationId);
  if (entry === undefined) throw new DomainError("RECONCILIATION_NOT_FOUND");
  if (entry.resolution !== undefined) return agreeing(entry, command);
  if (entry.operation !== "authorize") await settleOperation(desk, entry, command.outcome);
  await store.close(entry, command.outcome, { operator: command.operator, at: desk.clock.now() });
  const closed = await store.find(command.operationId);
  if (closed === undefined) throw new Error("a reconciliation entry is gone");
  return agreeing(closed, command);
}

function agreeing(entry: ReconciliationEntry, command: ResolveCommand): ReconciliationEntry {
  if (entry.resolution?.outcome !== command.outcome) throw new DomainError("RECONCILIATION_CONFLICT");
  return entry;
}

async function settleOperation(
  desk: PaymentDesk,
  entry: ReconciliationEntry,
  outcome: ReconciliationOutcome,
): Promise<void> {
  const { merchantId, paymentId, operationId } = entry;
  const operation = await desk.operations.find(merchantId, operationId);
  const payment = await desk.payments.find(merchantId, paymentId);
  if (operation === undefined || payment === undefined) throw new Error("a reconciliation entry has lost its payment");
  if (operation.state === "unresolved" && payment.openOperationId === operationId) {
    if (outcome === "done") await bookOperation(desk, { payment, operation }, desk.clock.now());
    else await desk.operations.refuse(operation, { unreachable: false, at: desk.clock.now() });
  }
  const after = await desk.operations.find(merchantId, operationId);
  if (after?.state !== stateOf[outcome]) throw new DomainError("RECONCILIATION_CONFLICT");
}
