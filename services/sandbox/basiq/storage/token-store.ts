import { sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { BasiqTables } from "./tables.ts";

/** What a token opens. */
export interface TokenGrant {
  readonly scope: "SERVER_ACCESS" | "CLIENT_ACCESS";
  /** Of a client token: the one user it is for. */
  readonly userId: string | null;
  readonly expiresAt: Date;
}

/** A link that leads a user to the consent page. */
export interface AuthLink {
  readonly userId: string;
  readonly mobile: string | null;
  readonly sealed: Buffer;
  readonly expiresAt: Date;
}

/** Access tokens and links, both by keyed hash. */
export interface TokenStore {
  /** Keeps a token; false when `perMinuteMax` were made within the last minute. */
  add(hash: Buffer, grant: TokenGrant, limit: { now: Date; perMinuteMax: number }): Promise<boolean>;
  find(hash: Buffer): Promise<TokenGrant | undefined>;
  /** Puts a link in the place of the user's last one. */
  putLink(hash: Buffer, link: AuthLink): Promise<void>;
  findLink(by: { hash: Buffer } | { userId: string }): Promise<AuthLink | undefined>;
  deleteLink(userId: string): Promise<boolean>;
  sweep(before: Date): Promise<void>;
}

const minuteMs = 60_000;
const linkColumns = ["user_id as userId", "mobile", "sealed_link as sealed", "expires_at as expiresAt"] as const;
// Any number, the same for every replica: tokens are counted one after the other.
const countingLock = 9205;

/** Opens the store on the sandbox's schema. */
export function createTokenStore(db: Database<BasiqTables>): TokenStore {
  return {
    add: (hash, grant, { now, perMinuteMax }) =>
      inTransaction(db, async (tx) => {
        await sql`select pg_advisory_xact_lock(${countingLock})`.execute(tx);
        const { count } = await tx
          .selectFrom("access_tokens")
          .select(({ fn }) => fn.countAll<bigint>().as("count"))
          .where("created_at", ">", new Date(now.getTime() - minuteMs))
          .executeTakeFirstOrThrow();
        if (count >= BigInt(perMinuteMax)) return false;
        const { scope, userId, expiresAt } = grant;
        const row = { token_hash: hash, scope, user_id: userId, created_at: now, expires_at: expiresAt };
        await tx.insertInto("access_tokens").values(row).execute();
        return true;
      }),
    find: (hash) =>
      db.query
        .selectFrom("access_tokens")
        .select(["scope", "user_id as userId", "expires_at as expiresAt"])
        .where("token_hash", "=", hash)
        .executeTakeFirst(),
    async putLink(hash, link) {
      const values = {
        link_hash: hash,
        sealed_link: link.sealed,
        mobile: link.mobile,
        expires_at: link.expiresAt,
      };
      await db.query
        .insertInto("auth_links")
        .values({ user_id: link.userId, ...values })
        .onConflict((conflict) => conflict.column("user_id").doUpdateSet(values))
        .execute();
    },
    findLink: (by) =>
      db.query
        .selectFrom("auth_links")
        .select(linkColumns)
        .$if("hash" in by, (query) => query.where("link_hash", "=", "hash" in by ? by.hash : Buffer.alloc(0)))
        .$if("userId" in by, (query) => query.where("user_id", "=", "userId" in by ? by.userId : ""))
        .executeTakeFirst(),
    async deleteLink(userId) {
      const gone = await db.query.deleteFrom("auth_links").where("user_id", "=", userId).executeTakeFirst();
      return gone.numDeletedRows === 1n;
    },
    async sweep(before) {
      await db.query.deleteFrom("access_tokens").where("expires_at", "<", before).execute();
    },
  };
}
