import type { BankId } from "./bank-id.ts";

/** `active`: takes payments. `inactive`: removed. `maintenance`: paused. */
export type BankStatus = "active" | "inactive" | "maintenance";

/** As the prober sees it. */
export type BankHealth = "unknown" | "healthy" | "unhealthy";

/** What a bank says of itself. */
export interface BankFacts {
  readonly name: string;
  readonly apiBaseUrl: string;
  readonly authServerUrl: string;
  readonly openBankingUrl: string | undefined;
  readonly cardTypes: readonly string[];
  readonly binRanges: readonly string[];
  readonly walletEnrollmentSupported: boolean;
  readonly logoUrl: string | undefined;
  readonly capabilities: readonly string[];
}

/** Where a bank stands. While `heldByOperator`, only an operator makes it active again. */
export interface BankStanding {
  readonly status: BankStatus;
  readonly heldByOperator: boolean;
}

/** A registered bank without its key. */
export interface Bank extends BankFacts, BankStanding {
  readonly id: BankId;
  readonly health: BankHealth;
  readonly revision: bigint;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Whether two sets of facts say the same, so that a repeated registration is no change. */
export function sameFacts(left: BankFacts, right: BankFacts): boolean {
  return JSON.stringify(factsOf(left)) === JSON.stringify(factsOf(right));
}

/** The facts alone, in a fixed order. */
export function factsOf(bank: BankFacts): BankFacts {
  return {
    name: bank.name,
    apiBaseUrl: bank.apiBaseUrl,
    authServerUrl: bank.authServerUrl,
    openBankingUrl: bank.openBankingUrl,
    cardTypes: bank.cardTypes,
    binRanges: bank.binRanges,
    walletEnrollmentSupported: bank.walletEnrollmentSupported,
    logoUrl: bank.logoUrl,
    capabilities: bank.capabilities,
  };
}
