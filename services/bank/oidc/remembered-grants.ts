import type { Grant, KoaContextWithOIDC } from "oidc-provider";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { consentLifeMs } from "../domain/consent.ts";
import type { ConsentStore } from "../storage/consent-store.ts";
import type { CustomerStore } from "../storage/customer-store.ts";
import { createGrant } from "./create-grant.ts";

/** What is needed to answer from a remembered decision. */
export interface RememberedGrantsDeps {
  readonly consents: ConsentStore;
  readonly customers: CustomerStore;
  readonly clock: Clock;
  readonly audience: string;
  /** A decision about this scope is never remembered. */
  readonly neverFor: string;
}

/** Answers requests from decisions a customer wanted remembered. */
export interface RememberedGrants {
  /** A fresh grant with what was decided before, or undefined when the customer has to be asked. */
  load(ctx: KoaContextWithOIDC): Promise<Grant | undefined>;
}

/**
 * Makes the reader. Each request gets a grant of its own, so that ending one link leaves the others: the refresh token of an
 * earlier enrolment survives a later one.
 */
export function createRememberedGrants(deps: RememberedGrantsDeps): RememberedGrants {
  return {
    async load({ oidc }) {
      const { client, account } = oidc;
      // While a prompt is still to come the request will pass here again.
      if (
        client === undefined ||
        account === undefined ||
        oidc.promptPending("login") ||
        oidc.promptPending("consent")
      ) {
        return undefined;
      }
      const scopes = [...oidc.requestParamScopes];
      if (scopes.includes(deps.neverFor)) return undefined;
      const customer = await deps.customers.findByRef(account.accountId);
      if (customer === undefined) return undefined;
      const now = deps.clock.now();
      const decided = await deps.consents.remembered(customer.id, client.clientId, scopes, now);
      if (decided === undefined) return undefined;
      const { clientId } = client;
      const grant = await createGrant(oidc.provider, {
        fiUserRef: account.accountId,
        clientId,
        scopes,
        audience: deps.audience,
      });
      await deps.consents.add({
        ...decided,
        id: uuidv7(now.getTime()),
        grantId: grant.jti,
        scopes,
        createdAt: now,
        expiresAt: new Date(now.getTime() + consentLifeMs),
      });
      return grant;
    },
  };
}
