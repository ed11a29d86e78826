import { DomainError } from "../../../platform/errors/domain-error.ts";
import { assertReachable, type Bank, type BankDirectory } from "../../domain/bank.ts";
import type { ProviderClients } from "../connector-module.ts";

/** The bank to call, and who we are there. */
export interface BankTarget {
  readonly bank: Bank;
  readonly client: { readonly clientId: string; readonly clientSecret: string };
}

/** The bank of an institution id. Throws `PROVIDER_NOT_CONFIGURED` when the bank, or our client there, is unknown. */
export async function findTarget(
  parts: { banks: BankDirectory; providerClients: ProviderClients },
  institutionId: string,
): Promise<BankTarget> {
  const bank = parts.banks.find(institutionId);
  if (bank === undefined) throw new DomainError("PROVIDER_NOT_CONFIGURED");
  const client = await parts.providerClients.find(institutionId);
  if (client === undefined) throw new DomainError("PROVIDER_NOT_CONFIGURED");
  return { bank, client };
}

/** As `Connector.check`: a consent begins only at an active bank that enrols wallets. */
export async function checkBank(
  parts: { banks: BankDirectory; providerClients: ProviderClients },
  institutionId: string,
  use: "begin" | "use",
): Promise<void> {
  if (use === "begin") {
    const bank = parts.banks.find(institutionId);
    if (bank === undefined || bank.status === "inactive" || !bank.walletEnrollmentSupported) {
      throw new DomainError("BANK_NOT_FOUND");
    }
    assertReachable(bank);
  }
  const target = await findTarget(parts, institutionId);
  assertReachable(target.bank);
}
