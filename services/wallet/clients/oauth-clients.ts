/** A merchant as an OAuth client of the wallet, from memory. */
export interface OauthClientRecord {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  /** Of `openid profile email payment:authorize`. */
  readonly scopes: readonly string[];
  /** The id its payments carry at the Router and the banks. */
  readonly merchantId: string;
  /** Keyed hashes of its live secrets: `HMAC-SHA256(API_KEY_PEPPER, secret)`. */
  readonly secretHashes: readonly Uint8Array[];
}

/** The merchants that may ask for payments. */
export interface OauthClientDirectory {
  /** An active client; undefined for an unknown or inactive one. */
  find(clientId: string): OauthClientRecord | undefined;
}
