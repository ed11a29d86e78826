import type { Connector } from "../connector.ts";
import type { ProviderHttp } from "../provider-http.ts";
import { listAccounts } from "./accounts.ts";
import { createBankOidc } from "./bank-oidc.ts";
import { createCardConnector } from "./cards.ts";
import { beginConsent, completeConsent } from "./consent.ts";
import { refreshTokens } from "./refresh.ts";
import { revokeSecrets } from "./revoke.ts";

/** Settings of the bank connector. */
export interface BsimConnectorOptions {
  readonly http: ProviderHttp;
  /** Admits http addresses; for the local world alone. */
  readonly insecureAllowed: boolean;
}

/** The connector of banks that speak the ecosystem's own contract: OIDC with `wallet:enroll`, wallet API, open banking. */
export function createBsimConnector(options: BsimConnectorOptions): Connector {
  const oidc = createBankOidc(options.http, options.insecureAllowed);
  const parts = { ...options, oidc };
  return {
    name: "bsim",
    begin: (target, start, call) => beginConsent(oidc, target, start, call),
    complete: (target, answer, call) => completeConsent(parts, target, answer, call),
    refresh: (target, refreshToken, call) => refreshTokens(parts, target, refreshToken, call),
    revoke: (target, secrets, call) => revokeSecrets(parts, target, secrets, call),
    listAccounts: (target, accessToken, call) => listAccounts(parts, target, accessToken, call),
    cards: createCardConnector(parts),
  };
}
