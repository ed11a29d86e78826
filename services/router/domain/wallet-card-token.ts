/** What a walletCardToken says: the bank it routes to and the card's unique id there. It authorizes nothing. */
export interface WalletCardToken {
  readonly bankId: string;
  readonly uniqueId: string;
}

/** Tokens start with this; a card token that does is read by the same rule. */
export const walletCardTokenPrefix = "wsim_";

/** Prefix, a bank id of at most 64 characters, `_`, a unique id of at most 64, and room for older, longer bank ids. */
export const walletCardTokenLengthMax = 255;

const uniqueIdForm = /^(?:[0-9a-fA-F]{1,64}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$/;

/**
 * Reads `wsim_{bankId}_{uniqueId}`. The split is at the last `_`: the unique id (hex or a UUID) holds none, while an older
 * bank id may. The bank id is returned as written; only a registered id that equals it exactly may be used.
 * Returns undefined for anything malformed, which is declined and never sent to the default bank.
 */
export function parseWalletCardToken(text: string): WalletCardToken | undefined {
  if (text.length > walletCardTokenLengthMax || !text.startsWith(walletCardTokenPrefix)) return undefined;
  const split = text.lastIndexOf("_");
  if (split <= walletCardTokenPrefix.length) return undefined;
  const uniqueId = text.slice(split + 1);
  if (!uniqueIdForm.test(uniqueId)) return undefined;
  return { bankId: text.slice(walletCardTokenPrefix.length, split), uniqueId };
}
