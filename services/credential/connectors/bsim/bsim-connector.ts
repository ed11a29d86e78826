import type { BankDirectory } from "../../domain/bank.ts";
import type { Connector } from "../connector.ts";
import type { ProviderClients } from "../connector-module.ts";
import type { ProviderHttp } from "../provider-http.ts";
import { listAccounts } from "./accounts.ts";
import { createBankOidc } from "./bank-oidc.ts";
import { checkBank, findTarget } from "./bank-target.ts";
import { createCardConnector } from "./cards.ts";
import { beginConsent, completeConsent } from "./consent.ts";
import { refreshTokens } from "./refresh.ts";
import { revokeSecrets } from "./revoke.ts";

const institutionsMax = 500;

/** Settings of the bank connector. */
export interface BsimConnectorOptions {
  readonly http: ProviderHttp;
  readonly banks: BankDirectory;
  readonly providerClients: ProviderClients;
  /** Admits http addresses; for the local world alone. */
  readonly insecureAllowed: boolean;
}

/** The connector of banks that speak the ecosystem's own contract: OIDC with `wallet:enroll`, wallet API, open banking. */
export function createBsimConnector(options: BsimConnectorOptions): Connector {
  const oidc = createBankOidc(options.http, options.insecureAllowed);
  const parts = { ...options, oidc };
  const target = (institutionId: string) => findTarget(options, institutionId);
  return {
    name: "bsim",
    displayName: "Bank",
    life: "rotating",
    check: (institutionId, use) => checkBank(options, institutionId, use),
    listInstitutions: async () => {
      const banks = options.banks.list().filter((bank) => bank.status === "active" && bank.walletEnrollmentSupported);
      return banks
        .map((bank) => ({ institutionId: bank.bankId, name: bank.name, countries: [] }))
        .sort((one, other) => one.name.localeCompare(other.name, "en"))
        .slice(0, institutionsMax);
    },
    begin: async (start, call) => await beginConsent(oidc, await target(start.institutionId), start, call),
    complete: async (answer, call) => await completeConsent(parts, await target(answer.institutionId), answer, call),
    refresh: async (grant, call) =>
      await refreshTokens(parts, await target(grant.institutionId), grant.refreshToken, call),
    revoke: async (institutionId, secrets, call) => {
      const found = await target(institutionId);
      await revokeSecrets(parts, found, secrets, call);
    },
    listAccounts: async (access, call) =>
      await listAccounts(parts, await target(access.institutionId), access.accessToken, call),
    cards: createCardConnector(parts, target),
  };
}
