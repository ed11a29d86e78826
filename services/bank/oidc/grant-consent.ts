import type Provider from "oidc-provider";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { consentLifeMs } from "../domain/consent.ts";
import type { ConsentStore } from "../storage/consent-store.ts";
import type { Customer } from "../storage/customer-store.ts";
import { createGrant } from "./create-grant.ts";

/** What a customer decided; cards and accounts are checked to be his. */
export interface ConsentDecision {
  readonly customer: Customer;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly cardIds: readonly string[];
  readonly accountIds: readonly string[];
  readonly remember: boolean;
  readonly limitMinor: bigint | undefined;
  readonly currency: string | undefined;
}

/** Writes a decision down and gives the grant it made. */
export type GrantConsent = (decision: ConsentDecision) => Promise<string>;

/** Makes the writer. Dying between the two writes leaves a grant without consent, which opens nothing and expires. */
export function createGrantConsent(deps: {
  readonly provider: Provider;
  readonly consents: ConsentStore;
  readonly clock: Clock;
  readonly audience: string;
}): GrantConsent {
  return async ({ customer, remember, ...decision }) => {
    const { clientId, scopes } = decision;
    const grant = await createGrant(deps.provider, {
      fiUserRef: customer.fiUserRef,
      clientId,
      scopes,
      audience: deps.audience,
    });
    const now = deps.clock.now();
    await deps.consents.add({
      ...decision,
      id: uuidv7(now.getTime()),
      grantId: grant.jti,
      customerId: customer.id,
      remembered: remember,
      createdAt: now,
      expiresAt: new Date(now.getTime() + consentLifeMs),
    });
    return grant.jti;
  };
}
