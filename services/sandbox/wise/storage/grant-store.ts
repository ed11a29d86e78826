import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import type { WiseTables } from "./tables.ts";

/** What a person let the application do for one of his profiles. */
export interface WiseGrant {
  readonly grantId: string;
  readonly username: string;
  readonly profileId: bigint;
  readonly state: "active" | "reclaimed";
  readonly refreshCount: number;
  /** Until when statements are shown without a strong authentication. */
  readonly authenticatedUntil: Date | null;
  readonly createdAt: Date;
}

/** An access token that is about to be given out. */
export interface NewAccessToken {
  readonly hash: Buffer;
  readonly expiresAt: Date;
}

/** A refresh token that is about to be given out. */
export type NewRefreshToken = NewAccessToken;

/** Whom an access token speaks for: a person, or the application itself. */
export type Bearer = { readonly kind: "person"; readonly grant: WiseGrant } | { readonly kind: "application" };

/** Grants and tokens. Tokens lie here as keyed hashes only. */
export interface GrantStore {
  add(
    whose: { username: string; profileId: bigint },
    tokens: { access: NewAccessToken; refresh: NewRefreshToken },
    now: Date,
  ): Promise<WiseGrant>;
  /** The application's own token. */
  addApplicationToken(access: NewAccessToken): Promise<void>;
  /**
   * A new access token for a refresh token, in one step with the new refresh token where it rotates: of two callers with the same token
   * one gets the grant, the other undefined. Undefined as well for a token that is unknown, too old, or of a reclaimed account.
   */
  refresh(
    refreshHash: Buffer,
    tokens: { access: NewAccessToken; refresh: NewRefreshToken | undefined },
    now: Date,
  ): Promise<WiseGrant | undefined>;
  /** Undefined for a token that is unknown, too old, or of a reclaimed account. */
  bearerOf(accessHash: Buffer, now: Date): Promise<Bearer | undefined>;
  find(grantId: string): Promise<WiseGrant | undefined>;
  list(limit: number): Promise<readonly WiseGrant[]>;
  /** The person takes the account back: nothing of the grant is good any more. False when there is none. */
  reclaim(grantId: string): Promise<boolean>;
  /** Ends the access tokens of a grant, so that the next call needs a refresh. */
  dropAccessTokens(grantId: string): Promise<void>;
  authenticate(grantId: string, until: Date | null): Promise<boolean>;
  sweep(before: Date): Promise<void>;
}

const columns = [
  "grant_id as grantId",
  "username",
  "profile_id as profileId",
  "state",
  "refresh_count as refreshCount",
  "authenticated_until as authenticatedUntil",
  "created_at as createdAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createGrantStore(db: Database<WiseTables>): GrantStore {
  const { query } = db;
  return {
    ...tokenStore(db),
    find: (id) => query.selectFrom("grants").select(columns).where("grant_id", "=", id).executeTakeFirst(),
    list: (limit) => query.selectFrom("grants").select(columns).orderBy("created_at", "desc").limit(limit).execute(),
    async reclaim(id) {
      const changed = await query
        .updateTable("grants")
        .set({ state: "reclaimed" })
        .where("grant_id", "=", id)
        .where("state", "=", "active")
        .executeTakeFirst();
      return changed.numUpdatedRows === 1n;
    },
    async dropAccessTokens(id) {
      await query.deleteFrom("access_tokens").where("grant_id", "=", id).execute();
    },
    async authenticate(id, until) {
      const changed = await query
        .updateTable("grants")
        .set({ authenticated_until: until })
        .where("grant_id", "=", id)
        .executeTakeFirst();
      return changed.numUpdatedRows === 1n;
    },
    async sweep(before) {
      await query.deleteFrom("access_tokens").where("expires_at", "<", before).execute();
    },
  };
}

type TokenStore = Pick<GrantStore, "add" | "addApplicationToken" | "refresh" | "bearerOf">;

function tokenStore(db: Database<WiseTables>): TokenStore {
  const { query } = db;
  return {
    add: ({ username, profileId }, { access, refresh }, now) =>
      inTransaction(db, async (tx) => {
        const grant = await tx
          .insertInto("grants")
          .values({
            grant_id: uuidv7(now.getTime()),
            username,
            profile_id: profileId,
            state: "active",
            refresh_token_hash: refresh.hash,
            refresh_expires_at: refresh.expiresAt,
            authenticated_until: null,
            created_at: now,
          })
          .returning(columns)
          .executeTakeFirstOrThrow();
        await tx.insertInto("access_tokens").values(rowOf(access, grant.grantId)).execute();
        return grant;
      }),
    async addApplicationToken(access) {
      await query.insertInto("access_tokens").values(rowOf(access, null)).execute();
    },
    refresh: (refreshHash, { access, refresh }, now) =>
      inTransaction(db, async (tx) => {
        const grant = await tx
          .updateTable("grants")
          .set((each) => ({
            refresh_count: each("refresh_count", "+", 1),
            ...(refresh && { refresh_token_hash: refresh.hash, refresh_expires_at: refresh.expiresAt }),
          }))
          .where("refresh_token_hash", "=", refreshHash)
          .where("state", "=", "active")
          .where("refresh_expires_at", ">", now)
          .returning(columns)
          .executeTakeFirst();
        if (grant !== undefined) await tx.insertInto("access_tokens").values(rowOf(access, grant.grantId)).execute();
        return grant;
      }),
    async bearerOf(accessHash, now) {
      const token = await query
        .selectFrom("access_tokens")
        .select("grant_id")
        .where("token_hash", "=", accessHash)
        .where("expires_at", ">", now)
        .executeTakeFirst();
      if (token === undefined) return undefined;
      if (token.grant_id === null) return { kind: "application" };
      const grant = await query
        .selectFrom("grants")
        .select(columns)
        .where("grant_id", "=", token.grant_id)
        .where("state", "=", "active")
        .executeTakeFirst();
      return grant && { kind: "person", grant };
    },
  };
}

function rowOf(access: NewAccessToken, grantId: string | null) {
  return { token_hash: access.hash, grant_id: grantId, expires_at: access.expiresAt };
}
