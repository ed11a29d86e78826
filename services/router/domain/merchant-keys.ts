/** A merchant's key as proved. */
export interface MerchantKey {
  readonly merchantId: string;
  readonly keyId: string;
}

/** The live keys of active merchants. Reads are from memory and never wait. */
export interface MerchantKeys {
  /** Whose key has this hash: `HMAC-SHA256(API_KEY_PEPPER, key)` in lower-case hex. */
  merchantKey(hashHex: string): MerchantKey | undefined;
}
