import { type Selectable, sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { LinkRequest } from "../domain/link-request.ts";
import { insertItem, type NewItem } from "./create-item.ts";
import type { PlaidTables } from "./tables.ts";
import { enqueueBody } from "./webhook-outbox.ts";

/** Wrong passwords a session takes before it ends. */
export const signInAttemptsMax = 5;

/** One use of Link by a person. */
export interface LinkSession {
  readonly id: string;
  readonly request: LinkRequest;
  readonly updateItemId: string | null;
  readonly stage: "open" | "signed_in" | "finished" | "exited";
  readonly institutionId: string | null;
  readonly username: string | null;
  readonly itemId: string | null;
  readonly sealedPublicToken: Buffer | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly finishedAt: Date | null;
}

/** How a session ends well. */
export interface LinkSuccess {
  readonly sessionId: string;
  readonly publicToken: { readonly hash: Buffer; readonly sealed: Buffer; readonly expiresAt: Date };
  readonly now: Date;
  /** Told when a hosted session is over. */
  readonly sessionWebhook: { readonly url: string; readonly body: string } | undefined;
  /** A new item, or the one whose access is renewed until `consentExpiresAt`. */
  readonly item:
    | { readonly kind: "new"; readonly item: NewItem }
    | { readonly kind: "renewed"; readonly itemId: string; readonly consentExpiresAt: Date | null };
}

/** Link sessions: `open` → `signed_in` → `finished`, or `exited`. */
export interface LinkStore {
  create(session: {
    tokenHash: Buffer;
    id: string;
    request: LinkRequest;
    updateItemId: string | null;
    now: Date;
    expiresAt: Date;
  }): Promise<void>;
  find(tokenHash: Buffer): Promise<LinkSession | undefined>;
  /** Counts an attempt to sign in. False when there were too many or the session is over. */
  attempt(sessionId: string): Promise<boolean>;
  signIn(sessionId: string, who: { institutionId: string; username: string }): Promise<boolean>;
  /** Ends the session, once. False when it is not signed in any more. */
  finish(success: LinkSuccess): Promise<boolean>;
  exit(sessionId: string, now: Date): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createLinkStore(db: Database<PlaidTables>): LinkStore {
  return {
    async create(session) {
      await db.query
        .insertInto("link_tokens")
        .values({
          token_hash: session.tokenHash,
          link_session_id: session.id,
          request: JSON.stringify(session.request),
          update_item_id: session.updateItemId,
          stage: "open",
          institution_id: null,
          username: null,
          item_id: null,
          sealed_public_token: null,
          created_at: session.now,
          expires_at: session.expiresAt,
          finished_at: null,
        })
        .execute();
    },
    async find(tokenHash) {
      const row = await db.query
        .selectFrom("link_tokens")
        .selectAll()
        .where("token_hash", "=", tokenHash)
        .executeTakeFirst();
      return row && sessionOf(row);
    },
    async attempt(sessionId) {
      const row = await db.query
        .updateTable("link_tokens")
        .set({ attempts: sql`attempts + 1` })
        .where("link_session_id", "=", sessionId)
        .where("stage", "in", ["open", "signed_in"])
        .where("attempts", "<", signInAttemptsMax)
        .executeTakeFirst();
      return row.numUpdatedRows === 1n;
    },
    async signIn(sessionId, who) {
      const row = await db.query
        .updateTable("link_tokens")
        .set({ stage: "signed_in", institution_id: who.institutionId, username: who.username })
        .where("link_session_id", "=", sessionId)
        .where("stage", "in", ["open", "signed_in"])
        .executeTakeFirst();
      return row.numUpdatedRows === 1n;
    },
    finish: (success) => finish(db, success),
    async exit(sessionId, now) {
      await db.query
        .updateTable("link_tokens")
        .set({ stage: "exited", finished_at: now })
        .where("link_session_id", "=", sessionId)
        .where("stage", "in", ["open", "signed_in"])
        .execute();
    },
  };
}

function finish(db: Database<PlaidTables>, success: LinkSuccess): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const itemId = success.item.kind === "new" ? success.item.item.id : success.item.itemId;
    const taken = await tx
      .updateTable("link_tokens")
      .set({ stage: "finished", finished_at: success.now, sealed_public_token: success.publicToken.sealed })
      .where("link_session_id", "=", success.sessionId)
      .where("stage", "=", "signed_in")
      .executeTakeFirst();
    if (taken.numUpdatedRows === 0n) return false;
    if (success.item.kind === "new") await insertItem(tx, success.item.item);
    else {
      await tx
        .updateTable("items")
        .set({ state: "active", consent_expires_at: success.item.consentExpiresAt, expiration_noticed: false })
        .where("item_id", "=", itemId)
        .where("state", "in", ["active", "login_required"])
        .execute();
    }
    await tx
      .updateTable("link_tokens")
      .set({ item_id: itemId })
      .where("link_session_id", "=", success.sessionId)
      .execute();
    await tx
      .insertInto("public_tokens")
      .values({
        token_hash: success.publicToken.hash,
        item_id: itemId,
        expires_at: success.publicToken.expiresAt,
        used_at: null,
      })
      .execute();
    if (success.sessionWebhook) {
      await enqueueBody(tx, { itemId, code: "SESSION_FINISHED", ...success.sessionWebhook }, success.now);
    }
    return true;
  });
}

function sessionOf(row: Selectable<PlaidTables["link_tokens"]>): LinkSession {
  return {
    id: row.link_session_id,
    request: row.request,
    updateItemId: row.update_item_id,
    stage: row.stage,
    institutionId: row.institution_id,
    username: row.username,
    itemId: row.item_id,
    sealedPublicToken: row.sealed_public_token,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    finishedAt: row.finished_at,
  };
}
