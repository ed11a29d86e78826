import type { JwtAccessTokens } from "../../platform/oidc/jwt-access-tokens.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { ReadBankAccess } from "../http/open-banking/bank-access.ts";
import type { ConsentStore } from "../storage/consent-store.ts";

/**
 * Makes the reader Open Banking asks: the token must be this bank's, for this audience, in time and not revoked, and the
 * accounts are those its consent names. Two reads by key; revocation takes effect with the next call.
 */
export function createReadBankAccess(deps: {
  readonly tokens: JwtAccessTokens;
  readonly consents: ConsentStore;
  readonly clock: Clock;
}): ReadBankAccess {
  return async (accessToken) => {
    const verified = await deps.tokens.verify(accessToken);
    if (verified === undefined) return undefined;
    const consent = await deps.consents.ofGrant(verified.grantId, deps.clock.now());
    if (consent === undefined) return undefined;
    return {
      fiUserRef: verified.sub,
      clientId: verified.clientId,
      scopes: verified.scopes,
      accountIds: consent.accountIds,
    };
  };
}
