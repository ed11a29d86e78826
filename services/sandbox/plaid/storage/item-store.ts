import { type Selectable, sql, type Transaction } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { Item, ItemState } from "../domain/item.ts";
import type { WebhookEvent } from "../domain/webhook-body.ts";
import { insertItem, type NewItem } from "./create-item.ts";
import type { ItemRow, PlaidTables } from "./tables.ts";
import { enqueueWebhook, type WebhookTwist } from "./webhook-outbox.ts";

const listedMax = 200;

/** A new access token: what calls are checked by, and what an exchange gives again. */
export interface NewAccessToken {
  readonly hash: Buffer;
  readonly sealed: Buffer;
}

/** Items and the tokens that lead to them. */
export interface ItemStore {
  findByAccessToken(hash: Buffer): Promise<Item | undefined>;
  find(itemId: string): Promise<Item | undefined>;
  list(): Promise<readonly Item[]>;
  /** Forgets every item and link. */
  clear(): Promise<void>;
  /** Makes an item with the public token that leads to it. */
  create(item: NewItem, publicToken: { hash: Buffer; expiresAt: Date }): Promise<void>;
  /**
   * Uses a public token up, once. The item's access token is made when it has none, else the one it has is given.
   * Undefined for an unknown or used token, `expired` for one that is too old.
   */
  exchange(
    hash: Buffer,
    now: Date,
    makeToken: (itemId: string) => NewAccessToken,
  ): Promise<{ itemId: string; sealed: Buffer } | "expired" | undefined>;
  /** Puts a new access token in the place of the old one. False when the old one is already gone. */
  replaceAccessToken(oldHash: Buffer, token: NewAccessToken): Promise<boolean>;
  /** Sets the address of webhooks and tells the new one about it. */
  setWebhook(itemId: string, url: string | null, now: Date): Promise<void>;
  /** Moves an item from one of these states and sends the webhook. False when it is in another state. */
  changeState(change: {
    itemId: string;
    from: readonly ItemState[];
    to: ItemState;
    event?: WebhookEvent | undefined;
    now: Date;
  }): Promise<boolean>;
  /** Takes one account out of an item and tells of it. False when the item does not share it. */
  revokeAccount(itemId: string, accountKey: string, accountId: string, now: Date): Promise<boolean>;
  /** Sends a webhook without a change. False when the item has no address for them. */
  send(itemId: string, event: WebhookEvent, now: Date, twist?: WebhookTwist): Promise<boolean>;
  setConsentEnd(itemId: string, consentExpiresAt: Date | null): Promise<void>;
  /** Tells applications of consents that end before `noticeBefore`, and ends those that are over. Returns how many. */
  sweepConsents(now: Date, noticeBefore: Date): Promise<number>;
}

/** Opens the store on the sandbox's schema. */
export function createItemStore(db: Database<PlaidTables>): ItemStore {
  const one = () => db.query.selectFrom("items").selectAll();
  return {
    async findByAccessToken(hash) {
      const row = await one().where("access_token_hash", "=", hash).executeTakeFirst();
      return row && itemOf(row);
    },
    async find(itemId) {
      const row = await one().where("item_id", "=", itemId).executeTakeFirst();
      return row && itemOf(row);
    },
    async list() {
      return (await one().orderBy("created_at", "desc").limit(listedMax).execute()).map(itemOf);
    },
    async clear() {
      await db.query.deleteFrom("items").execute();
      await db.query.deleteFrom("link_tokens").execute();
    },
    create: (item, publicToken) =>
      inTransaction(db, async (tx) => {
        await insertItem(tx, item);
        await tx
          .insertInto("public_tokens")
          .values({ token_hash: publicToken.hash, item_id: item.id, expires_at: publicToken.expiresAt, used_at: null })
          .execute();
      }),
    exchange: (hash, now, makeToken) => exchange(db, hash, now, makeToken),
    async replaceAccessToken(oldHash, token) {
      const row = await db.query
        .updateTable("items")
        .set({ access_token_hash: token.hash, sealed_access_token: token.sealed })
        .where("access_token_hash", "=", oldHash)
        .executeTakeFirst();
      return row.numUpdatedRows === 1n;
    },
    setWebhook: (itemId, url, now) =>
      inTransaction(db, async (tx) => {
        await tx.updateTable("items").set({ webhook: url }).where("item_id", "=", itemId).execute();
        if (url !== null) await enqueueWebhook(tx, itemId, { code: "WEBHOOK_UPDATE_ACKNOWLEDGED", url }, now);
      }),
    changeState: ({ itemId, from, to, event, now }) =>
      inTransaction(db, async (tx) => {
        const row = await tx
          .updateTable("items")
          .set({ state: to })
          .where("item_id", "=", itemId)
          .where("state", "in", [...from])
          .executeTakeFirst();
        if (row.numUpdatedRows === 0n) return false;
        if (event) await enqueueWebhook(tx, itemId, event, now);
        return true;
      }),
    revokeAccount: (itemId, accountKey, accountId, now) =>
      inTransaction(db, async (tx) => {
        const row = await tx
          .updateTable("items")
          .set({ account_keys: sql`array_remove(account_keys, ${accountKey})` })
          .where("item_id", "=", itemId)
          .where(sql<boolean>`${accountKey} = any(account_keys)`)
          .executeTakeFirst();
        if (row.numUpdatedRows === 0n) return false;
        return enqueueWebhook(tx, itemId, { code: "USER_ACCOUNT_REVOKED", accountId }, now).then(() => true);
      }),
    send: (itemId, event, now, twist) => inTransaction(db, (tx) => enqueueWebhook(tx, itemId, event, now, twist)),
    async setConsentEnd(itemId, consentExpiresAt) {
      await db.query
        .updateTable("items")
        .set({ consent_expires_at: consentExpiresAt, expiration_noticed: false })
        .where("item_id", "=", itemId)
        .execute();
    },
    sweepConsents: (now, noticeBefore) => sweepConsents(db, now, noticeBefore),
  };
}

function exchange(
  db: Database<PlaidTables>,
  hash: Buffer,
  now: Date,
  makeToken: (itemId: string) => NewAccessToken,
): Promise<{ itemId: string; sealed: Buffer } | "expired" | undefined> {
  return inTransaction(db, async (tx) => {
    const used = await tx
      .updateTable("public_tokens")
      .set({ used_at: now })
      .where("token_hash", "=", hash)
      .where("used_at", "is", null)
      .returning(["item_id", "expires_at"])
      .executeTakeFirst();
    if (used === undefined) return undefined;
    if (used.expires_at <= now) return "expired";
    const token = makeToken(used.item_id);
    const item = await tx
      .updateTable("items")
      .set({
        access_token_hash: sql`coalesce(access_token_hash, ${token.hash})`,
        sealed_access_token: sql`coalesce(sealed_access_token, ${token.sealed})`,
      })
      .where("item_id", "=", used.item_id)
      .where("state", "!=", "removed")
      .returning("sealed_access_token")
      .executeTakeFirst();
    return item?.sealed_access_token ? { itemId: used.item_id, sealed: item.sealed_access_token } : undefined;
  });
}

function sweepConsents(db: Database<PlaidTables>, now: Date, noticeBefore: Date): Promise<number> {
  return inTransaction(db, async (tx) => {
    const due = await tx
      .selectFrom("items")
      .select(["item_id", "consent_expires_at", "expiration_noticed"])
      .where("state", "=", "active")
      .where("consent_expires_at", "<=", noticeBefore)
      .where((where) => where.or([where("expiration_noticed", "=", false), where("consent_expires_at", "<=", now)]))
      .limit(listedMax)
      .forUpdate()
      .skipLocked()
      .execute();
    for (const row of due) {
      if (row.consent_expires_at !== null) await stepConsent(tx, { ...row, ends: row.consent_expires_at }, now);
    }
    return due.length;
  });
}

async function stepConsent(
  tx: Transaction<PlaidTables>,
  item: { item_id: string; ends: Date; expiration_noticed: boolean },
  now: Date,
): Promise<void> {
  const over = item.ends <= now;
  await tx
    .updateTable("items")
    .set({ expiration_noticed: true, ...(over && { state: "login_required" as const }) })
    .where("item_id", "=", item.item_id)
    .execute();
  if (!item.expiration_noticed && !over) {
    await enqueueWebhook(tx, item.item_id, { code: "PENDING_EXPIRATION", consentExpiresAt: item.ends }, now);
  }
  if (over) await enqueueWebhook(tx, item.item_id, { code: "ERROR" }, now);
}

/** A row as the domain knows it. */
export function itemOf(row: Selectable<ItemRow>): Item {
  return {
    id: row.item_id,
    institutionId: row.institution_id,
    username: row.username,
    accountKeys: row.account_keys,
    products: row.products,
    webhook: row.webhook,
    state: row.state,
    consentExpiresAt: row.consent_expires_at,
    updateStatus: row.update_status,
    synced: row.synced,
    changeCount: row.change_count,
    lastWebhookAt: row.last_webhook_at,
    lastWebhookCode: row.last_webhook_code,
    lastUpdateAt: row.last_update_at,
    createdAt: row.created_at,
  };
}
