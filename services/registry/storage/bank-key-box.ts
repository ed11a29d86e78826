import { createHash } from "node:crypto";
import { deriveMasterKey } from "../../platform/vault/master-key.ts";
import { createSealedBox, type SealedBox } from "../../platform/vault/sealed-box.ts";

/** Seals the keys under which banks are called. A record opens for the bank it was sealed for alone. */
export interface BankKeyBox {
  seal(bankId: string, apiKey: string): Buffer;
  /** @throws SealedRecordError when the record is not authentic or its key is unknown. */
  open(bankId: string, sealed: Uint8Array): string;
}

/**
 * A box over the configured secrets: the first seals, all open, so that a new secret can be put before the old one. Key
 * ids come from the keys themselves; nobody has to number them.
 */
export function createBankKeyBox(secrets: readonly string[]): BankKeyBox {
  const keys = new Map(secrets.map((secret) => deriveMasterKey(secret, "registry")).map((key) => [keyIdOf(key), key]));
  const currentKeyId = keys.keys().next().value ?? "";
  const box: SealedBox = createSealedBox({ keys, currentKeyId });
  const place = (bankId: string) => `registry/bank-api-key/${bankId}`;
  return {
    seal: (bankId, apiKey) => box.seal(apiKey, place(bankId)),
    open: (bankId, sealed) => box.open(sealed, place(bankId)).toString("utf8"),
  };
}

function keyIdOf(key: Buffer): string {
  return createHash("sha256").update("paymesh key id").update(key).digest("hex").slice(0, 16);
}
