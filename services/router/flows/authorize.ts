import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Currency } from "../../platform/money/currency.ts";
import { decideKeyedReplay, decideOrderReplay } from "../domain/authorize-replay.ts";
import { type Payment, pendingSettleAfterMs } from "../domain/payment.ts";
import { routePayment } from "../domain/route-payment.ts";
import type { NewPayment } from "../storage/payment-writer.ts";
import { decidedPayment, outcomeOf } from "./outcome.ts";
import { pauseUntil } from "./pause.ts";
import { isBankAvailable, type PaymentDesk } from "./payment-desk.ts";
import { recordOutcome } from "./record-outcome.ts";

/** An authorization a merchant asks for, checked in form. The amount is in minor units. */
export interface AuthorizeCommand {
  readonly merchantId: string;
  readonly orderId: string;
  readonly amountMinor: bigint;
  readonly currency: Currency;
  readonly cardToken: string;
  readonly walletCardToken: string | undefined;
  readonly merchantName: string | undefined;
  readonly description: string | undefined;
  /** The merchant's JSON object with sorted keys. */
  readonly metadataJson: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** When the caller stops waiting, epoch milliseconds. */
  readonly deadlineAtMs: number;
}

/** Makes payments. One per process: it knows which payments it is making at this moment. */
export interface Authorizer {
  /**
   * The payment that answers the command: newly made, or the first one when the command is a repeat; never pending.
   * Throws `IDEMPOTENCY_CONFLICT`, `ORDER_CONFLICT`, and `OPERATION_IN_PROGRESS` when a first one is still being made
   * elsewhere at the deadline. A caller who goes away does not stop it.
   */
  authorize(command: AuthorizeCommand): Promise<Payment>;
  /** Waits until every payment being made is decided and written. */
  drain(): Promise<void>;
}

/** Attempts at one order without an Idempotency-Key; after them the order is refused. */
const attemptsPerOrderMax = 1_000;
/** How often one command may find that another was faster. */
const collisionsMax = 20;

type Flights = Map<string, Promise<Payment | undefined>>;

/** Makes an authorizer over a desk. */
export function createAuthorizer(desk: PaymentDesk): Authorizer {
  const flights: Flights = new Map();
  return {
    authorize: (command) => authorize(desk, flights, command),
    drain: async () => {
      await Promise.allSettled(flights.values());
    },
  };
}

async function authorize(desk: PaymentDesk, flights: Flights, command: AuthorizeCommand): Promise<Payment> {
  const requestHash = hashOf(desk, command);
  const key = command.idempotencyKey;
  let attempt = key === undefined ? 1 : 0;
  for (let collisions = 0; collisions < collisionsMax; collisions += 1) {
    const paymentId =
      key === undefined
        ? desk.ids.forOrder(command.merchantId, command.orderId, attempt)
        : desk.ids.forKey(command.merchantId, key);
    if (!flights.has(paymentId)) {
      const made = await fly(flights, paymentId, makePayment(desk, command, { paymentId, attempt, requestHash }));
      if (made !== undefined) return made;
    }
    const first = await findFirst(desk, flights, command.merchantId, paymentId);
    if (first === undefined) continue;
    const decision = key === undefined ? decideOrderReplay(first, command) : decideKeyedReplay(first, requestHash);
    if (decision === "answer_first") return awaitDecision(desk, flights, first, command.deadlineAtMs);
    const last = await desk.payments.lastAttempt(command.merchantId, command.orderId);
    attempt = last !== undefined && last.attempt > attempt ? last.attempt : attempt + 1;
    if (attempt > attemptsPerOrderMax) throw new DomainError("ORDER_CONFLICT");
  }
  throw new DomainError("OPERATION_IN_PROGRESS");
}

/** Marks a payment as being made, so that a repeat that arrives meanwhile waits for this one and makes no other. */
function fly(flights: Flights, paymentId: string, flight: Promise<Payment | undefined>): Promise<Payment | undefined> {
  flights.set(paymentId, flight);
  return flight.finally(() => flights.delete(paymentId));
}

/** The payment under this id; one whose row is only being written is waited for. */
async function findFirst(
  desk: PaymentDesk,
  flights: Flights,
  merchantId: string,
  paymentId: string,
): Promise<Payment | undefined> {
  const found = await desk.payments.find(merchantId, paymentId);
  if (found !== undefined) return found;
  // A flight that fails has told its own caller why.
  await flights.get(paymentId)?.catch(() => undefined);
  return desk.payments.find(merchantId, paymentId);
}

const pollMs = 100;

async function awaitDecision(
  desk: PaymentDesk,
  flights: Flights,
  first: Payment,
  deadlineAtMs: number,
): Promise<Payment> {
  let payment = first;
  while (payment.status === "pending") {
    const flight = flights.get(payment.paymentId);
    const made = await flight?.catch(() => undefined);
    if (made !== undefined) return made;
    if (flight === undefined && !(await pauseUntil(pollMs, deadlineAtMs))) {
      throw new DomainError("OPERATION_IN_PROGRESS");
    }
    payment = (await desk.payments.find(payment.merchantId, payment.paymentId)) ?? payment;
  }
  return payment;
}

interface Identity {
  readonly paymentId: string;
  readonly attempt: number;
  readonly requestHash: Buffer;
}

/** Makes the payment under this id; undefined when the id is taken. */
async function makePayment(
  desk: PaymentDesk,
  command: AuthorizeCommand,
  identity: Identity,
): Promise<Payment | undefined> {
  const startedAt = performance.now();
  const route = routePayment(command, desk.directory, desk.defaultBankId);
  const bank = route.kind === "bank" ? route.bank : undefined;
  const called = bank !== undefined && isBankAvailable(desk, bank);
  const payment = newPayment(command, identity, called ? bank.bankId : undefined, desk.clock.now());
  if (!called) {
    const answer =
      route.kind === "declined"
        ? ({ kind: "declined", reason: route.reason } as const)
        : ({ kind: "failed", reason: "bank_unavailable", holdPossible: false } as const);
    const outcome = outcomeOf(payment, bank, answer, { at: payment.createdAt, eventId: desk.newId() });
    if (!(await desk.writer.insertDecided(payment, outcome))) return undefined;
    observe(desk, bank?.bankId, outcome.status, startedAt);
    return decidedPayment(payment, outcome);
  }
  const dueAt = new Date(payment.createdAt.getTime() + pendingSettleAfterMs);
  if (!(await desk.writer.insertPending(payment, dueAt))) return undefined;
  const answer = await desk.banks.authorize(bank, { ...payment, cardToken: command.cardToken });
  const decided = await recordOutcome(desk, payment, bank, answer);
  observe(desk, bank.bankId, observedStatus(decided), startedAt);
  return decided;
}

/** What became of it, also when it was captured in the moment between. */
function observedStatus(payment: Payment): "authorized" | "declined" | "failed" {
  return payment.status === "declined" || payment.status === "failed" ? payment.status : "authorized";
}

function observe(
  desk: PaymentDesk,
  bankId: string | undefined,
  outcome: "authorized" | "declined" | "failed",
  startedAt: number,
): void {
  desk.observeAuthorize({ bankId: bankId ?? "none", outcome, seconds: (performance.now() - startedAt) / 1000 });
}

function newPayment(
  command: AuthorizeCommand,
  identity: Identity,
  bankId: string | undefined,
  createdAt: Date,
): NewPayment {
  return {
    merchantId: command.merchantId,
    paymentId: identity.paymentId,
    orderId: command.orderId,
    attempt: identity.attempt,
    requestHash: identity.requestHash,
    bankId,
    amountMinor: command.amountMinor,
    currency: command.currency,
    merchantName: command.merchantName,
    description: command.description,
    metadataJson: command.metadataJson,
    createdAt,
  };
}

function hashOf(desk: PaymentDesk, command: AuthorizeCommand): Buffer {
  return desk.ids.requestHash([
    command.merchantId,
    command.orderId,
    command.amountMinor.toString(),
    command.currency,
    command.cardToken,
    command.walletCardToken ?? null,
    command.merchantName ?? null,
    command.description ?? null,
    command.metadataJson ?? null,
  ]);
}
