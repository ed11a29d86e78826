import type Provider from "oidc-provider";
import type { Grant } from "oidc-provider";

/** Saves a grant of every one of these scopes, at the server itself and for its audience. */
export async function createGrant(
  provider: Provider,
  given: {
    readonly fiUserRef: string;
    readonly clientId: string;
    readonly scopes: readonly string[];
    readonly audience: string;
  },
): Promise<Grant> {
  const grant = new provider.Grant({ accountId: given.fiUserRef, clientId: given.clientId });
  grant.addOIDCScope([...given.scopes]);
  grant.addResourceScope(given.audience, [...given.scopes]);
  await grant.save();
  return grant;
}
