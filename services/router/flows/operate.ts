import { DomainError } from "../../platform/errors/domain-error.ts";
import { parseAmount } from "../../platform/money/amount.ts";
import type { Bank } from "../domain/bank-directory.ts";
import {
  decideCapture,
  decideRefund,
  decideVoid,
  type Operation,
  type OperationDecision,
  type OperationKind,
} from "../domain/operation.ts";
import type { Payment } from "../domain/payment.ts";
import { callBank } from "./call-bank.ts";
import { finishOperation } from "./finish-operation.ts";
import { pauseUntil } from "./pause.ts";
import { isBankAvailable, type PaymentDesk } from "./payment-desk.ts";

/** A capture, void or refund a merchant asks for. */
export interface OperateCommand {
  readonly kind: OperationKind;
  readonly merchantId: string;
  readonly paymentId: string;
  /** Decimal major units; undefined means all there is. */
  readonly amountMajor: number | undefined;
  readonly reason: string | undefined;
  /** Of a refund; captures and voids are recognised by the payment's state. */
  readonly idempotencyKey: string | undefined;
  /** When the caller stops waiting, epoch milliseconds. */
  readonly deadlineAtMs: number;
}

/**
 * How it ended. `done`: the payment is as asked, by this call or an earlier one, and `operation` is what did it. `refused`:
 * nothing changed. `in_doubt`: the bank's answer is not known yet. `in_progress`: another operation is under way.
 */
export type OperateAnswer =
  | { readonly kind: "done"; readonly payment: Payment; readonly operation: Operation | undefined }
  | { readonly kind: "refused"; readonly payment: Payment; readonly why: string; readonly showFailed: boolean }
  | { readonly kind: "in_doubt" | "in_progress" | "unavailable"; readonly payment: Payment }
  | { readonly kind: "unknown_payment" };

/** A lookup every so often while somebody else's call to the bank is in flight. */
const pollMs = 50;
/** When the settling job takes over an operation whose process died: after every call and pause of `callBank`. */
const takeOverAfterMs = 45_000;
/** How long a repeat waits for an operation that the job settles. */
const settlingWaitMs = 3_000;

/**
 * Carries out a capture, void or refund. One at a time for a payment: the intent is written before the bank is called and
 * bars the others, who wait for its end and then decide anew by the state it left.
 * Throws `AMOUNT_INVALID`, `IDEMPOTENCY_CONFLICT`.
 */
export async function operate(desk: PaymentDesk, command: OperateCommand): Promise<OperateAnswer> {
  const settledByMs = Math.min(command.deadlineAtMs, Date.now() + settlingWaitMs);
  let requestKey = keyOfClient(desk, command);
  for (;;) {
    const payment = await desk.payments.find(command.merchantId, command.paymentId);
    if (payment === undefined) return { kind: "unknown_payment" };
    const askedMinor =
      command.amountMajor === undefined ? undefined : parseAmount(command.amountMajor, payment.currency);
    const earlier = requestKey && (await findEarlier(desk, command, requestKey, askedMinor));
    if (earlier !== undefined && earlier.state !== "open") return answerEarlier(payment, earlier);
    const decision = decide(command.kind, payment, askedMinor);
    if (earlier === undefined && decision.kind === "done") return answerDone(desk, command, payment);
    if (earlier === undefined && decision.kind === "refused") return { ...decision, payment };
    // Kept from the first look on: by the next the sum may have grown, by this very refund sent twice.
    if (decision.kind === "proceed") requestKey ??= keyOfSum(desk, command, payment, decision.amountMinor);
    if (payment.openOperationId !== undefined || decision.kind !== "proceed") {
      const barred = await waitForOther(desk, command, { payment, decision, requestKey, settledByMs });
      if (barred !== undefined) return barred;
      continue;
    }
    const { amountMinor } = decision;
    const answer = await carryOut(desk, command, { payment, askedMinor, amountMinor, requestKey });
    if (answer !== undefined) return answer;
  }
}

function decide(kind: OperationKind, payment: Payment, askedMinor: bigint | undefined): OperationDecision {
  switch (kind) {
    case "capture":
      return decideCapture(payment, askedMinor);
    case "void":
      return decideVoid(payment);
    case "refund":
      return decideRefund(payment, askedMinor);
    default: {
      const impossible: never = kind;
      throw new Error(`unreachable operation ${String(impossible)}`);
    }
  }
}

/** What a refund under an Idempotency-Key is known by; other operations are known by the payment's state. */
function keyOfClient(desk: PaymentDesk, command: OperateCommand): Buffer | undefined {
  if (command.kind !== "refund" || command.idempotencyKey === undefined) return undefined;
  return desk.ids.refundKey(["key", command.merchantId, command.paymentId, command.idempotencyKey]);
}

/** Without a client's key a refund is known by payment, amount and the sum refunded before. */
function keyOfSum(
  desk: PaymentDesk,
  command: OperateCommand,
  payment: Payment,
  amountMinor: bigint,
): Buffer | undefined {
  if (command.kind !== "refund") return undefined;
  const before = payment.refundedMinor.toString();
  return desk.ids.refundKey(["sum", command.merchantId, command.paymentId, amountMinor.toString(), before]);
}

/** The refund this key names. Throws `IDEMPOTENCY_CONFLICT` when a client's key was for another amount. */
async function findEarlier(
  desk: PaymentDesk,
  command: OperateCommand,
  requestKey: Buffer,
  askedMinor: bigint | undefined,
): Promise<Operation | undefined> {
  const earlier = await desk.operations.findByRequestKey(command.merchantId, command.paymentId, requestKey);
  const anotherBody = command.idempotencyKey !== undefined && earlier?.askedMinor !== askedMinor;
  if (earlier !== undefined && anotherBody) throw new DomainError("IDEMPOTENCY_CONFLICT");
  return earlier;
}

/** The first answer of a refund that has ended. */
function answerEarlier(payment: Payment, earlier: Operation): OperateAnswer {
  if (earlier.state === "succeeded") return { kind: "done", payment, operation: earlier };
  if (earlier.state === "unresolved") return { kind: "in_doubt", payment };
  if (earlier.unreachable) return { kind: "unavailable", payment };
  return { kind: "refused", payment, why: "The bank refused the refund", showFailed: true };
}

/** What was done before, told again: of refunds the one that left nothing. */
async function answerDone(desk: PaymentDesk, command: OperateCommand, payment: Payment): Promise<OperateAnswer> {
  const operation = await desk.operations.lastDone(payment.merchantId, payment.paymentId, command.kind);
  return { kind: "done", payment, operation };
}

interface Barred {
  readonly payment: Payment;
  readonly decision: OperationDecision;
  readonly requestKey: Buffer | undefined;
  readonly settledByMs: number;
}

/** Waits a moment for the operation under way; undefined means look again, else the answer when waiting is over. */
async function waitForOther(
  desk: PaymentDesk,
  command: OperateCommand,
  barred: Barred,
): Promise<OperateAnswer | undefined> {
  const { payment } = barred;
  const other =
    payment.openOperationId === undefined
      ? undefined
      : await desk.operations.find(payment.merchantId, payment.openOperationId);
  // It ended between two reads.
  if (other === undefined) return undefined;
  const same = isSame(command.kind, other, barred);
  const nobodyWaits = other.settling || other.state === "unresolved";
  if (nobodyWaits && (!same || other.state === "unresolved")) return standing(payment, same);
  const deadlineAtMs = nobodyWaits ? barred.settledByMs : command.deadlineAtMs;
  return (await pauseUntil(pollMs, deadlineAtMs)) ? undefined : standing(payment, same);
}

function isSame(kind: OperationKind, other: Operation, { decision, requestKey }: Barred): boolean {
  if (other.kind !== kind) return false;
  if (kind === "refund") return requestKey !== undefined && other.requestKey?.equals(requestKey) === true;
  return decision.kind === "proceed" && decision.amountMinor === other.amountMinor;
}

function standing(payment: Payment, same: boolean): OperateAnswer {
  return { kind: same ? "in_doubt" : "in_progress", payment };
}

interface Ready {
  readonly payment: Payment;
  readonly askedMinor: bigint | undefined;
  readonly amountMinor: bigint;
  readonly requestKey: Buffer | undefined;
}

/** Writes the intent and calls the bank; undefined when the payment changed meanwhile. */
async function carryOut(desk: PaymentDesk, command: OperateCommand, ready: Ready): Promise<OperateAnswer | undefined> {
  const { payment } = ready;
  const bank = payment.bankId === undefined ? undefined : desk.directory.bank(payment.bankId);
  if (bank === undefined || !isBankAvailable(desk, bank)) return { kind: "unavailable", payment };
  const operation = await claim(desk, command, ready, bank);
  if (operation === undefined) return undefined;
  const outcome = await callBank(desk, { bank, payment, operation, deadlineAtMs: command.deadlineAtMs });
  const after = await finishOperation(desk, { bank, payment, operation, outcome });
  if (outcome === "done") return { kind: "done", ...after };
  if (outcome === "unreachable") return { kind: "unavailable", payment };
  if (outcome === "unknown") return { kind: "in_doubt", payment };
  return {
    kind: "refused",
    payment,
    why: `The bank refused the ${command.kind}`,
    showFailed: command.kind === "refund",
  };
}

function claim(desk: PaymentDesk, command: OperateCommand, ready: Ready, bank: Bank): Promise<Operation | undefined> {
  const createdAt = desk.clock.now();
  return desk.operations.claim(ready.payment, {
    operationId: desk.newId(),
    kind: command.kind,
    bankId: bank.bankId,
    amountMinor: ready.amountMinor,
    askedMinor: ready.askedMinor,
    reason: command.reason,
    requestKey: ready.requestKey,
    keyed: ready.requestKey !== undefined && command.idempotencyKey !== undefined,
    createdAt,
    dueAt: new Date(createdAt.getTime() + takeOverAfterMs),
  });
}
