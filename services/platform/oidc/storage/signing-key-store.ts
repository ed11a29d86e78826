import type { Database } from "../../db/open-database.ts";
import type { OidcTables } from "./oidc-record-store.ts";

/** A signing key as stored. */
export interface StoredSigningKey {
  readonly alg: string;
  readonly generation: number;
  readonly keyId: string;
  readonly sealedKey: Buffer;
  readonly retired: boolean;
}

/** Where signing keys live. */
export interface SigningKeyStore {
  /** Every key, the newest of each algorithm first. */
  list(): Promise<readonly StoredSigningKey[]>;
  /** Adds a key, unless another replica added that generation first. */
  add(key: Omit<StoredSigningKey, "retired">): Promise<void>;
}

/** Makes the store over a service's database. */
export function createSigningKeyStore(db: Pick<Database<OidcTables>, "query">): SigningKeyStore {
  return {
    async list() {
      const rows = await db.query
        .selectFrom("oidc_signing_keys")
        .select(["alg", "generation", "key_id", "sealed_key", "retired_at"])
        .orderBy("alg")
        .orderBy("generation", "desc")
        .execute();
      return rows.map((row) => ({
        alg: row.alg,
        generation: row.generation,
        keyId: row.key_id,
        sealedKey: row.sealed_key,
        retired: row.retired_at !== null,
      }));
    },
    async add(key) {
      await db.query
        .insertInto("oidc_signing_keys")
        .values({
          alg: key.alg,
          generation: key.generation,
          key_id: key.keyId,
          sealed_key: key.sealedKey,
          retired_at: null,
        })
        .onConflict((conflict) => conflict.columns(["alg", "generation"]).doNothing())
        .execute();
    },
  };
}
