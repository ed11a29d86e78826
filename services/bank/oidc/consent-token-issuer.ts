import { randomHex } from "../../platform/secrets/random-token.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { consentTokenLifeMs } from "../domain/card-token.ts";
import type { ConsentStore } from "../storage/consent-store.ts";
import type { MintedTokenStore } from "../storage/minted-token-store.ts";
import type { RegisteredClients } from "../storage/registered-client-store.ts";
import { consentTokenRef } from "./consent-token-ref.ts";

const tokenBytes = 16;

/** What the issuer needs. */
export interface ConsentTokenIssuerDeps {
  readonly consents: ConsentStore;
  readonly tokens: MintedTokenStore;
  readonly clients: RegisteredClients;
  readonly pepper: Uint8Array;
  readonly clock: Clock;
}

/** Mints the `ctok_…` of a payment consent, for 24 hours; undefined when the consent has ended or its card is not active. */
export type IssueConsentToken = (grantId: string) => Promise<string | undefined>;

/** Makes the issuer. Every call mints another token, so it is called once a grant: at the exchange of its code. */
export function createConsentTokenIssuer(deps: ConsentTokenIssuerDeps): IssueConsentToken {
  return async (grantId) => {
    const now = deps.clock.now();
    const consent = await deps.consents.ofGrant(grantId, now);
    const [cardId] = consent?.cardIds ?? [];
    if (consent === undefined || cardId === undefined) return undefined;
    const client = await deps.clients.find(consent.clientId);
    const token = `ctok_${randomHex(tokenBytes)}`;
    const added = await deps.tokens.add({
      tokenRef: consentTokenRef(deps.pepper, token),
      kind: "consent",
      cardId,
      customerId: consent.customerId,
      grantId,
      merchantId: client?.merchantId,
      amountMinor: consent.limitMinor,
      currency: consent.currency,
      expiresAt: new Date(now.getTime() + consentTokenLifeMs),
    });
    return added ? token : undefined;
  };
}
