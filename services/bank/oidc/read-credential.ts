import { hashesEqual } from "../../platform/secrets/keyed-hash.ts";
import type { WalletCredential } from "../domain/wallet-credential.ts";
import type { WalletCredentialStore } from "../storage/wallet-credential-store.ts";
import { credentialHash } from "./credential-issuer.ts";
import type { CredentialSigner } from "./credential-signer.ts";

/** Finds the stored credential a wallet presents, whatever its state; undefined for a forged or unknown one. */
export type ReadCredential = (text: string) => Promise<WalletCredential | undefined>;

/**
 * Makes the reader. Both forms are understood: the signed JWT this bank issues, and `wcred_` with 32 hex digits, known by its
 * hash alone. Of a JWT the signature is checked first and nothing but the id is believed: the rest comes from the row.
 */
export function createReadCredential(deps: {
  readonly signer: CredentialSigner;
  readonly credentials: WalletCredentialStore;
  readonly pepper: Uint8Array;
}): ReadCredential {
  return async (text) => {
    const hash = credentialHash(deps.pepper, text);
    if (/^wcred_[0-9a-f]{32}$/.test(text)) return deps.credentials.findByHash(hash);
    const id = await deps.signer.readId(text);
    const credential = id === undefined ? undefined : await deps.credentials.findById(id);
    return credential !== undefined && hashesEqual(credential.credentialHash, hash) ? credential : undefined;
  };
}
