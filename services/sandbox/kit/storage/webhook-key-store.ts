import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { type KitTables, kitView } from "./kit-tables.ts";

/** A key webhooks are or were signed with. */
export interface StoredWebhookKey {
  readonly kid: string;
  readonly publicKey: JsonWebKey;
  readonly sealedPrivateKey: Buffer;
  readonly createdAt: Date;
  readonly retiredAt: Date | null;
}

/** A key about to become the current one. */
export type NewWebhookKey = Omit<StoredWebhookKey, "retiredAt">;

/** The keys of this installation. */
export interface WebhookKeyStore {
  /** The current one first, retired ones after it. */
  list(): Promise<readonly StoredWebhookKey[]>;
  /** Does nothing when another start was first. */
  addFirst(key: NewWebhookKey): Promise<void>;
  /** Retires the current key in favour of this one. */
  replace(key: NewWebhookKey): Promise<void>;
}

const columns = [
  "kid",
  "public_key as publicKey",
  "sealed_private_key as sealedPrivateKey",
  "created_at as createdAt",
  "retired_at as retiredAt",
] as const;

/** Opens the store. */
export function createWebhookKeyStore<Tables extends KitTables>(db: Database<Tables>): WebhookKeyStore {
  const query = kitView(db.query);
  const row = (key: NewWebhookKey) => ({
    kid: key.kid,
    public_key: JSON.stringify(key.publicKey),
    sealed_private_key: key.sealedPrivateKey,
    created_at: key.createdAt,
    retired_at: null,
  });
  return {
    list: () =>
      query
        .selectFrom("webhook_keys")
        .select(columns)
        .orderBy("retired_at", (order) => order.desc().nullsFirst())
        .execute(),
    async addFirst(key) {
      await query
        .insertInto("webhook_keys")
        .values(row(key))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    replace: (key) =>
      inTransaction({ query }, async (tx) => {
        await tx
          .updateTable("webhook_keys")
          .set({ retired_at: key.createdAt })
          .where("retired_at", "is", null)
          .execute();
        await tx.insertInto("webhook_keys").values(row(key)).execute();
      }),
  };
}
