import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { PlaidTables } from "./tables.ts";

/** A webhook key as it is kept. */
export interface StoredKey {
  readonly kid: string;
  readonly publicKey: { readonly x: string; readonly y: string };
  readonly sealedPrivateKey: Buffer;
  readonly createdAt: Date;
  readonly expiredAt: Date | null;
}

/** Keys that sign webhooks; one is current, the others are expired and kept for whoever asks. */
export interface KeyStore {
  current(): Promise<StoredKey | undefined>;
  find(kid: string): Promise<StoredKey | undefined>;
  /** Expires the current key and makes this one current. Of two at once the later wins. */
  rotate(key: Omit<StoredKey, "expiredAt">): Promise<void>;
  /** Makes this key current when there is none. */
  begin(key: Omit<StoredKey, "expiredAt">): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createKeyStore(db: Database<PlaidTables>): KeyStore {
  const valuesOf = (key: Omit<StoredKey, "expiredAt">) => ({
    kid: key.kid,
    public_key: JSON.stringify(key.publicKey),
    sealed_private_key: key.sealedPrivateKey,
    created_at: key.createdAt,
    expired_at: null,
  });
  const one = () => db.query.selectFrom("webhook_keys").selectAll();
  return {
    async current() {
      return keyOf(await one().where("expired_at", "is", null).executeTakeFirst());
    },
    async find(kid) {
      return keyOf(await one().where("kid", "=", kid).executeTakeFirst());
    },
    rotate: (key) =>
      inTransaction(db, async (tx) => {
        await tx
          .updateTable("webhook_keys")
          .set({ expired_at: key.createdAt })
          .where("expired_at", "is", null)
          .execute();
        await tx.insertInto("webhook_keys").values(valuesOf(key)).execute();
      }),
    async begin(key) {
      await db.query
        .insertInto("webhook_keys")
        .values(valuesOf(key))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
  };
}

function keyOf(
  row:
    | {
        kid: string;
        public_key: { x: string; y: string };
        sealed_private_key: Buffer;
        created_at: Date;
        expired_at: Date | null;
      }
    | undefined,
): StoredKey | undefined {
  if (row === undefined) return undefined;
  return {
    kid: row.kid,
    publicKey: row.public_key,
    sealedPrivateKey: row.sealed_private_key,
    createdAt: row.created_at,
    expiredAt: row.expired_at,
  };
}
