import { randomBytes } from "node:crypto";
import type { ClientMetadata } from "oidc-provider";
import { hashesEqual, keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { OauthClientDirectory, OauthClientRecord } from "../clients/oauth-clients.ts";

// The provider wants a secret in the metadata; the real ones are hashes elsewhere, and this one is never compared.
const neverCompared = randomBytes(32).toString("base64url");

/** A merchant's client as the provider knows it; redirect URIs without TLS are left out unless allowed. */
export function clientMetadata(client: OauthClientRecord, allowHttp: boolean): ClientMetadata {
  const safe = (uri: string) => allowHttp || uri.startsWith("https://");
  return {
    client_id: client.clientId,
    client_secret: neverCompared,
    client_name: client.name,
    redirect_uris: client.redirectUris.filter(safe),
    post_logout_redirect_uris: client.postLogoutRedirectUris.filter(safe),
    scope: client.scopes.join(" "),
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "client_secret_basic",
    id_token_signed_response_alg: "RS256",
    authorization_details_types: ["payment"],
  };
}

/** Whether a secret is one of the client's live ones. Every stored hash is compared, in constant time each. */
export function isClientSecret(
  clients: OauthClientDirectory,
  pepper: string,
  given: { readonly clientId: string; readonly secret: string },
): boolean {
  const hash = keyedHash(pepper, given.secret);
  const known = clients.find(given.clientId)?.secretHashes ?? [];
  return known.reduce((found, each) => hashesEqual(each, hash) || found, false);
}
