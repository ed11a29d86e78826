import { DomainError } from "../../platform/errors/domain-error.ts";
import type { BankAddresses } from "./provider-urls.ts";

/** A bank as the Registry's watch tells it, as far as connections need. */
export interface Bank extends BankAddresses {
  readonly bankId: string;
  readonly name: string;
  /** `active`, `inactive` (removed) or `maintenance` (paused). */
  readonly status: string;
  /** `unknown`, `healthy` or `unhealthy`. */
  readonly health: string;
  readonly walletEnrollmentSupported: boolean;
}

/** The banks that take part, from memory. */
export interface BankDirectory {
  /** Undefined for a bank nobody registered. Throws `PROVIDER_UNAVAILABLE` before the first snapshot has arrived. */
  find(bankId: string): Bank | undefined;
  /** All of them, in no order. Throws like `find`. */
  list(): readonly Bank[];
}

/** Whether the bank may be called now. One that is paused, removed or failing its probes is not waited for. */
export function isReachable(bank: Bank): boolean {
  return bank.status === "active" && bank.health !== "unhealthy";
}

/** Throws `PROVIDER_UNAVAILABLE` for a bank that is not to be called now. */
export function assertReachable(bank: Bank): void {
  if (!isReachable(bank)) throw new DomainError("PROVIDER_UNAVAILABLE");
}
