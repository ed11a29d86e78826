import { type Kysely, sql } from "kysely";
import type { WalletOidcTables } from "./oidc-payments-store.ts";

type Executor = Kysely<WalletOidcTables>;

/** A card token whose bank has to be told. */
export interface DueRevocation {
  readonly userId: string;
  readonly connectionId: string;
  readonly tokenId: string;
  readonly tries: number;
  readonly giveUpAt: Date;
}

/** Claims up to `limit` due revocations; they stay away from other replicas until `leaseUntil`. */
export async function claimRevocations(
  db: Executor,
  claim: { readonly now: Date; readonly leaseUntil: Date; readonly limit: number },
): Promise<DueRevocation[]> {
  const { rows } = await sql<DueRevocation>`update card_token_revocations
      set next_try_at = ${claim.leaseUntil}, tries = tries + 1
    where (user_id, connection_id, token_id) in (
      select user_id, connection_id, token_id from card_token_revocations
       where next_try_at <= ${claim.now} order by next_try_at limit ${claim.limit} for update skip locked)
    returning user_id as "userId", connection_id as "connectionId", token_id as "tokenId", tries,
      give_up_at as "giveUpAt"`.execute(db);
  return rows;
}

/** Puts a revocation off after a failure. */
export async function postponeRevocation(db: Executor, revocation: DueRevocation, nextTryAt: Date): Promise<void> {
  await db
    .updateTable("card_token_revocations")
    .set({ next_try_at: nextTryAt })
    .where("user_id", "=", revocation.userId)
    .where("connection_id", "=", revocation.connectionId)
    .where("token_id", "=", revocation.tokenId)
    .execute();
}

/** Forgets a revocation that its bank has answered, or that no longer matters. */
export async function deleteRevocation(db: Executor, revocation: DueRevocation): Promise<void> {
  await db
    .deleteFrom("card_token_revocations")
    .where("user_id", "=", revocation.userId)
    .where("connection_id", "=", revocation.connectionId)
    .where("token_id", "=", revocation.tokenId)
    .execute();
}
