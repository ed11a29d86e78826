/**
 * The permanent name of a card towards merchants, `wsim_{bsimId}_{12 hex}`. It routes and authorises nothing.
 * `unique` is 12 hex characters; readers split at the last `_`, so it may not contain one.
 */
export function walletCardToken(bsimId: string, unique: string): string {
  if (!/^[0-9a-f]{12}$/.test(unique)) throw new RangeError("the unique part of a walletCardToken is 12 hex characters");
  return `wsim_${bsimId}_${unique}`;
}
