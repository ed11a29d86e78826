import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Bank, BankDirectory } from "../domain/bank-directory.ts";
import type { AuthorizeOutcome, OperationOutcome } from "../domain/bank-outcome.ts";
import type { Operation } from "../domain/operation.ts";
import type { Payment } from "../domain/payment.ts";
import type { PaymentIds } from "../domain/payment-id.ts";
import type { OperationStore } from "../storage/operation-store.ts";
import type { PaymentStore } from "../storage/payment-store.ts";
import type { NewPayment, PaymentWriter } from "../storage/payment-writer.ts";
import type { HoldRelease, ReleaseStore } from "../storage/release-store.ts";
import type { SweepStore } from "../storage/sweep-store.ts";

/** The banks as the flows call them; see `clients/bank/bank-client.ts`. */
export interface BankNetwork {
  authorize(bank: Bank, call: NewPayment & { readonly cardToken: string }): Promise<AuthorizeOutcome>;
  operate(bank: Bank, payment: Payment, operation: Operation, resent: boolean): Promise<OperationOutcome>;
  release(bank: Bank, hold: Pick<HoldRelease, "paymentId" | "authorizationCode">): Promise<boolean>;
}

/** Everything the flows of a payment work with. */
export interface PaymentDesk {
  readonly directory: BankDirectory;
  readonly defaultBankId: string;
  readonly banks: BankNetwork;
  /** Whether the Registry still tells how the banks are; what it said last counts for a minute after it fell silent. */
  readonly healthIsKnown: () => boolean;
  /** Whether calls to a bank are let through at this moment, as its last calls went. */
  readonly circuitAllows: (bankId: string) => boolean;
  readonly ids: PaymentIds;
  /** A new UUIDv7 for operations and events. */
  readonly newId: () => string;
  readonly clock: Clock;
  readonly writer: PaymentWriter;
  readonly payments: PaymentStore;
  readonly operations: OperationStore;
  readonly releases: ReleaseStore;
  readonly sweeps: SweepStore;
  /** Counts an authorize that was decided. */
  readonly observeAuthorize: (observed: ObservedAuthorize) => void;
  readonly log: Logger;
}

/** One decided authorize, for metrics. */
export interface ObservedAuthorize {
  readonly bankId: string;
  readonly outcome: "authorized" | "declined" | "failed";
  readonly seconds: number;
}

/** Whether a bank is to be called now. A paused or unhealthy one, and one whose circuit is open, is answered for at once. */
export function isBankAvailable(desk: PaymentDesk, bank: Bank): boolean {
  if (bank.status === "maintenance" || (!bank.healthy && desk.healthIsKnown())) return false;
  return desk.circuitAllows(bank.bankId);
}
