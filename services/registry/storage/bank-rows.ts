import type { Selectable } from "kysely";
import type { Bank, BankFacts } from "../domain/bank.ts";
import type { BankId } from "../domain/bank-id.ts";
import type { BankRow } from "./tables.ts";

/** A stored row as the domain sees it. Ids were parsed when the bank registered. */
export function bankOf(row: Selectable<BankRow>): Bank {
  return {
    id: row.id as BankId,
    name: row.name,
    apiBaseUrl: row.api_base_url,
    authServerUrl: row.auth_server_url,
    openBankingUrl: row.open_banking_url ?? undefined,
    cardTypes: row.card_types,
    binRanges: row.bin_ranges,
    walletEnrollmentSupported: row.wallet_enrollment_supported,
    logoUrl: row.logo_url ?? undefined,
    capabilities: row.capabilities,
    status: row.status,
    heldByOperator: row.held_by_operator,
    health: row.health,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** The columns a bank's facts fill. */
export function factColumns(facts: BankFacts) {
  return {
    name: facts.name,
    api_base_url: facts.apiBaseUrl,
    auth_server_url: facts.authServerUrl,
    open_banking_url: facts.openBankingUrl ?? null,
    card_types: [...facts.cardTypes],
    bin_ranges: [...facts.binRanges],
    wallet_enrollment_supported: facts.walletEnrollmentSupported,
    logo_url: facts.logoUrl ?? null,
    capabilities: [...facts.capabilities],
  };
}
