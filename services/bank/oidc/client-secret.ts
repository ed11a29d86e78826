import { hashesEqual, keyedHash } from "../../platform/secrets/keyed-hash.ts";

/** Shortest client secret an operator may register. */
export const clientSecretLengthMin = 16;

/** How an OAuth client's secret is kept in `oauth_clients.secret_hash`: under the bank's token pepper. */
export function hashClientSecret(pepper: Uint8Array, clientId: string, secret: string): Buffer {
  // The id is part of what is hashed: one client's stored hash is no use in another's row.
  return keyedHash(pepper, `oauth-client\n${clientId}\n${secret}`);
}

/** Whether the secret is the client's; constant time. */
export function isClientSecret(pepper: Uint8Array, clientId: string, secret: string, stored: Uint8Array): boolean {
  return hashesEqual(hashClientSecret(pepper, clientId, secret), stored);
}
