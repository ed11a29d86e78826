import type { Kysely } from "kysely";
import type { WalletOidcTables } from "./oidc-payments-store.ts";

type Executor = Kysely<WalletOidcTables>;

/** An access token as noted at its birth. */
export interface NotedAccessToken {
  readonly userId: string;
  readonly jti: string;
  readonly grantId: string;
  readonly clientId: string;
  readonly scope: string;
  readonly expiresAt: Date;
}

/** Notes an access token, so that it can be revoked. */
export async function noteAccessToken(db: Executor, token: NotedAccessToken): Promise<void> {
  await db
    .insertInto("oidc_access_tokens")
    .values({
      user_id: token.userId,
      jti: token.jti,
      grant_id: token.grantId,
      client_id: token.clientId,
      scope: token.scope,
      expires_at: token.expiresAt,
    })
    .execute();
}

/** The noted token if it is live: not revoked, not expired, and its payment's grant has not ended. */
export async function findLiveAccessToken(
  db: Executor,
  token: { readonly userId: string; readonly jti: string; readonly now: Date },
): Promise<NotedAccessToken | undefined> {
  return await db
    .selectFrom("oidc_access_tokens as tokens")
    .leftJoin("oidc_payments as payments", "payments.grant_id", "tokens.grant_id")
    .select([
      "tokens.user_id as userId",
      "tokens.jti as jti",
      "tokens.grant_id as grantId",
      "tokens.client_id as clientId",
      "tokens.scope as scope",
      "tokens.expires_at as expiresAt",
    ])
    .where("tokens.user_id", "=", token.userId)
    .where("tokens.jti", "=", token.jti)
    .where("tokens.expires_at", ">", token.now)
    .where("tokens.revoked_at", "is", null)
    .where("payments.revoked_at", "is", null)
    .executeTakeFirst();
}
