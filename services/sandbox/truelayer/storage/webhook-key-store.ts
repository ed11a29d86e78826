import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { TrueLayerTables } from "./tables.ts";

/** A key webhooks are or were signed with. */
export interface StoredWebhookKey {
  readonly kid: string;
  /** Coordinates on P-521, base64url. */
  readonly publicKey: { readonly x: string; readonly y: string };
  readonly sealedPrivateKey: Buffer;
  readonly retiredAt: Date | null;
}

/** The keys of this installation. */
export interface WebhookKeyStore {
  /** The current one first. */
  list(): Promise<readonly StoredWebhookKey[]>;
  /** Does nothing when another start was first. */
  addFirst(key: StoredWebhookKey, now: Date): Promise<void>;
  /** Retires the current key in favour of this one. */
  replace(key: StoredWebhookKey, now: Date): Promise<void>;
}

const columns = [
  "kid",
  "public_key as publicKey",
  "sealed_private_key as sealedPrivateKey",
  "retired_at as retiredAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createWebhookKeyStore(db: Database<TrueLayerTables>): WebhookKeyStore {
  const row = (key: StoredWebhookKey, now: Date) => ({
    kid: key.kid,
    public_key: JSON.stringify(key.publicKey),
    sealed_private_key: key.sealedPrivateKey,
    created_at: now,
    retired_at: null,
  });
  return {
    list: () =>
      db.query
        .selectFrom("webhook_keys")
        .select(columns)
        .orderBy("retired_at", (order) => order.desc().nullsFirst())
        .execute(),
    async addFirst(key, now) {
      await db.query
        .insertInto("webhook_keys")
        .values(row(key, now))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    replace: (key, now) =>
      inTransaction(db, async (tx) => {
        await tx.updateTable("webhook_keys").set({ retired_at: now }).where("retired_at", "is", null).execute();
        await tx.insertInto("webhook_keys").values(row(key, now)).execute();
      }),
  };
}
