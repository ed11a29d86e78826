import { demoSecrets, holdsDemoSecret } from "../../platform/config/demo-secrets.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { AccessKeyStore } from "./access-key-store.ts";
import type { BankKeyBox } from "./bank-key-box.ts";
import type { RegistryDatabase } from "./tables.ts";

/**
 * What of the demo world lies in this database: keys anybody can read in the repository. A production start refuses over
 * any.
 * @returns one line for each kind of remains, for the operator.
 */
export async function findDemoRemains(deps: {
  db: RegistryDatabase;
  keys: AccessKeyStore;
  box: BankKeyBox;
  pepper: string;
}): Promise<string[]> {
  const remains: string[] = [];
  if (await deps.keys.holdsAny(demoSecrets.map((secret) => keyedHash(deps.pepper, secret)))) {
    remains.push("the database holds a key with a published demo value: revoke it, or begin with an empty database");
  }
  const banks = await deps.db.query
    .selectFrom("banks")
    .select(["id", "api_key_sealed"])
    .where("api_key_sealed", "is not", null)
    .execute();
  for (const bank of banks) {
    if (bank.api_key_sealed && holdsDemoSecret(openOrNothing(deps.box, bank.id, bank.api_key_sealed))) {
      remains.push(`bank ${bank.id} is called with a published demo key: have it register with one of its own`);
    }
  }
  return remains;
}

function openOrNothing(box: BankKeyBox, bankId: string, sealed: Buffer): string {
  try {
    return box.open(bankId, sealed);
  } catch {
    // Sealed under a secret that is gone; nobody is called with it either.
    return "";
  }
}
