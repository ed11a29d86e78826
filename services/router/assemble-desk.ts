import type { Database } from "../platform/db/open-database.ts";
import { uuidv7 } from "../platform/ids/uuidv7.ts";
import type { Logger } from "../platform/telemetry/logger.ts";
import type { Clock } from "../platform/time/clock.ts";
import { createBankCircuits } from "./clients/bank/bank-circuits.ts";
import { createBankClient } from "./clients/bank/bank-client.ts";
import type { BankHttp } from "./clients/bank/bank-http.ts";
import type { BankDirectory } from "./domain/bank-directory.ts";
import { createPaymentIds } from "./domain/payment-id.ts";
import { observeAuthorize } from "./flows/observe-authorize.ts";
import type { PaymentDesk } from "./flows/payment-desk.ts";
import { createOperationStore } from "./storage/operation-store.ts";
import { createPaymentStore } from "./storage/payment-store.ts";
import { createPaymentWriter } from "./storage/payment-writer.ts";
import { createReleaseStore } from "./storage/release-store.ts";
import { createSweepStore } from "./storage/sweep-store.ts";
import type { RouterTables } from "./storage/tables.ts";

/** The parts a desk is made of; whoever opened them closes them. */
export interface DeskParts {
  readonly db: Database<RouterTables>;
  readonly bankHttp: BankHttp;
  readonly directory: BankDirectory;
  readonly healthIsKnown: () => boolean;
  readonly defaultBankId: string;
  readonly paymentIdKey: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Puts stores, banks and directory together for the flows. */
export function assembleDesk(parts: DeskParts): PaymentDesk {
  const { db, clock, log } = parts;
  const circuits = createBankCircuits(clock);
  return {
    directory: parts.directory,
    defaultBankId: parts.defaultBankId,
    banks: createBankClient(parts.bankHttp, circuits),
    healthIsKnown: parts.healthIsKnown,
    circuitAllows: circuits.allows,
    ids: createPaymentIds(parts.paymentIdKey),
    newId: () => uuidv7(),
    clock,
    writer: createPaymentWriter(db.hotPool),
    payments: createPaymentStore(db),
    operations: createOperationStore(db),
    releases: createReleaseStore(db),
    sweeps: createSweepStore(db),
    observeAuthorize,
    log,
  };
}
