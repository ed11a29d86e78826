import { type ColumnType, type Kysely, sql, type Transaction } from "kysely";
import type { OidcTables } from "../../platform/oidc/storage/oidc-record-store.ts";
import type { WalletTables } from "./tables.ts";

type Nullable<T> = ColumnType<T | null, T | null | undefined, T | null>;

/** Tables of the payment page and of what it hands out. */
export interface OidcPaymentTables {
  oidc_payments: {
    user_id: string;
    payment_id: string;
    interaction_uid: string;
    client_id: string;
    card_id: string;
    connection_id: Nullable<string>;
    wallet_card_token: Nullable<string>;
    amount_minor: bigint;
    currency: string;
    merchant_id: string;
    order_id: Nullable<string>;
    state: string;
    lease_until: Date;
    grant_id: Nullable<string>;
    token_id: Nullable<string>;
    sealed_card_token: Nullable<Buffer>;
    created_at: Date;
    expires_at: Date;
    redeemed_at: Nullable<Date>;
    revoked_at: Nullable<Date>;
  };
  oidc_access_tokens: {
    user_id: string;
    jti: string;
    grant_id: string;
    client_id: string;
    scope: string;
    expires_at: Date;
    revoked_at: Nullable<Date>;
  };
  card_token_revocations: {
    user_id: string;
    connection_id: string;
    token_id: string;
    next_try_at: Date;
    tries: ColumnType<number, number | undefined, number>;
    give_up_at: Date;
  };
}

/** Every table the wallet's OIDC half reads or writes. */
export type WalletOidcTables = WalletTables & OidcTables & OidcPaymentTables;

type Executor = Kysely<WalletOidcTables>;

/** Longest life of a bank's card token: nothing is left to revoke after it. */
const cardTokenLifeMaxMs = 24 * 3600_000;

/** A payment the customer has pressed Authorize for. */
export interface PaymentClaim {
  readonly userId: string;
  readonly paymentId: string;
  readonly interactionUid: string;
  readonly clientId: string;
  readonly cardId: string;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly merchantId: string;
  readonly orderId: string | undefined;
  readonly leaseUntil: Date;
  readonly expiresAt: Date;
  readonly now: Date;
}

/**
 * Takes the payment of an interaction for one caller: new, or after a refusal, or after a request that was lost. False
 * when another caller has it or it is authorized already.
 */
export async function claimPayment(db: Executor, claim: PaymentClaim): Promise<boolean> {
  const columns = {
    user_id: claim.userId,
    payment_id: claim.paymentId,
    client_id: claim.clientId,
    card_id: claim.cardId,
    amount_minor: claim.amountMinor,
    currency: claim.currency,
    merchant_id: claim.merchantId,
    order_id: claim.orderId ?? null,
    state: "requesting",
    lease_until: claim.leaseUntil,
    expires_at: claim.expiresAt,
  };
  const row = await db
    .insertInto("oidc_payments")
    .values({ ...columns, interaction_uid: claim.interactionUid, created_at: claim.now })
    .onConflict((conflict) =>
      conflict
        .column("interaction_uid")
        .doUpdateSet(columns)
        .where(
          sql<boolean>`oidc_payments.state = 'refused'
            or (oidc_payments.state = 'requesting' and oidc_payments.lease_until <= ${claim.now})`,
        ),
    )
    .returning("payment_id")
    .executeTakeFirst();
  return row !== undefined;
}

/** Where an interaction's payment stands. */
export interface PaymentProgress {
  readonly userId: string;
  readonly state: string;
  readonly grantId: string | null;
  readonly leaseUntil: Date;
}

/** The payment of an interaction, if Authorize was ever pressed. */
export async function findPaymentProgress(db: Executor, interactionUid: string): Promise<PaymentProgress | undefined> {
  return await db
    .selectFrom("oidc_payments")
    .select(["user_id as userId", "state", "grant_id as grantId", "lease_until as leaseUntil"])
    .where("interaction_uid", "=", interactionUid)
    .executeTakeFirst();
}

type PaymentKey = Pick<PaymentClaim, "userId" | "paymentId">;

/**
 * `requesting` to `authorized`, with the bank's token sealed; it may be given away until `usableUntil`, or its payment's own
 * end if that comes first. False when the claim was lost meanwhile.
 */
export async function authorizePayment(
  db: Executor,
  payment: PaymentKey & {
    readonly grantId: string;
    readonly connectionId: string;
    readonly walletCardToken: string;
    readonly tokenId: string | undefined;
    readonly sealedCardToken: Buffer;
    readonly usableUntil: Date;
  },
): Promise<boolean> {
  const result = await byKey(db, payment)
    .set({
      state: "authorized",
      grant_id: payment.grantId,
      connection_id: payment.connectionId,
      wallet_card_token: payment.walletCardToken,
      token_id: payment.tokenId ?? null,
      sealed_card_token: payment.sealedCardToken,
      expires_at: sql<Date>`least(expires_at, ${payment.usableUntil}::timestamptz)`,
    })
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** `requesting` to `refused`, so that another card may be tried. */
export async function refusePayment(db: Executor, payment: PaymentKey): Promise<void> {
  await byKey(db, payment).set({ state: "refused" }).execute();
}

function byKey(db: Executor, payment: PaymentKey) {
  return db
    .updateTable("oidc_payments")
    .where("user_id", "=", payment.userId)
    .where("payment_id", "=", payment.paymentId)
    .where("state", "=", "requesting");
}

/** What a code exchange hands to the merchant. */
export interface RedeemedPayment {
  readonly paymentId: string;
  readonly walletCardToken: string;
  readonly sealedCardToken: Buffer;
  readonly amountMinor: bigint;
  readonly currency: string;
}

/**
 * Gives an authorized payment away, once, and notes the access token that carries it. Runs in the caller's transaction.
 * Undefined when there is nothing to give: unknown, expired or given already. A payment whose grant has ended is still
 * given to the exchange that won the code; its token is dead from birth.
 */
export async function redeemPayment(
  tx: Transaction<WalletOidcTables>,
  token: {
    readonly userId: string;
    readonly grantId: string;
    readonly clientId: string;
    readonly now: Date;
  },
): Promise<RedeemedPayment | undefined> {
  const row = await tx
    .selectFrom("oidc_payments")
    .select([
      "payment_id as paymentId",
      "wallet_card_token as walletCardToken",
      "sealed_card_token as sealedCardToken",
      "amount_minor as amountMinor",
      "currency",
    ])
    .where("user_id", "=", token.userId)
    .where("grant_id", "=", token.grantId)
    .where("client_id", "=", token.clientId)
    .where("redeemed_at", "is", null)
    .where("expires_at", ">", token.now)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined || row.sealedCardToken === null || row.walletCardToken === null) return undefined;
  await tx
    .updateTable("oidc_payments")
    .set({ redeemed_at: token.now, sealed_card_token: null })
    .where("user_id", "=", token.userId)
    .where("payment_id", "=", row.paymentId)
    .execute();
  return { ...row, sealedCardToken: row.sealedCardToken, walletCardToken: row.walletCardToken };
}

/**
 * Ends what hangs on a grant: its access tokens, and the bank's card token, whose revocation is noted for the bank to be
 * told. Runs in the transaction that ends the grant.
 */
export async function endPaymentOfGrant(tx: Transaction<WalletOidcTables>, grantId: string, now: Date): Promise<void> {
  const ended = await tx
    .updateTable("oidc_payments")
    .set({ revoked_at: now })
    .where("grant_id", "=", grantId)
    .where("revoked_at", "is", null)
    .returning(["user_id as userId", "connection_id as connectionId", "token_id as tokenId"])
    .execute();
  await tx
    .updateTable("oidc_access_tokens")
    .set({ revoked_at: now })
    .where("grant_id", "=", grantId)
    .where("revoked_at", "is", null)
    .execute();
  for (const payment of ended) {
    const { userId, connectionId, tokenId } = payment;
    if (connectionId !== null && tokenId !== null) await noteRevocation(tx, { userId, connectionId, tokenId, now });
  }
}

/** Notes that a bank must be told about a card token. A repeat changes nothing. */
export async function noteRevocation(
  db: Executor,
  token: { readonly userId: string; readonly connectionId: string; readonly tokenId: string; readonly now: Date },
): Promise<void> {
  await db
    .insertInto("card_token_revocations")
    .values({
      user_id: token.userId,
      connection_id: token.connectionId,
      token_id: token.tokenId,
      next_try_at: token.now,
      give_up_at: new Date(token.now.getTime() + cardTokenLifeMaxMs),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Up to `limit` payments nobody came for: their grants, to be ended. */
export async function listAbandonedGrants(db: Executor, now: Date, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom("oidc_payments")
    .select("grant_id as grantId")
    .where("expires_at", "<=", now)
    .where("grant_id", "is not", null)
    .where("redeemed_at", "is", null)
    .where("revoked_at", "is", null)
    .orderBy("expires_at")
    .limit(limit)
    .execute();
  return rows.flatMap((row) => (row.grantId === null ? [] : [row.grantId]));
}

/** Deletes up to `limit` payments and as many access tokens that ended before `until`; returns how many went. */
export async function deleteEndedPayments(db: Executor, until: Date, limit: number): Promise<number> {
  const payments = await sql`delete from oidc_payments where (user_id, payment_id) in (
    select user_id, payment_id from oidc_payments
     where expires_at <= ${until} and (grant_id is null or redeemed_at is not null or revoked_at is not null)
     order by expires_at limit ${limit} for update skip locked)`.execute(db);
  const tokens = await sql`delete from oidc_access_tokens where (user_id, jti) in (
    select user_id, jti from oidc_access_tokens where expires_at <= ${until}
     order by expires_at limit ${limit} for update skip locked)`.execute(db);
  return Number((payments.numAffectedRows ?? 0n) + (tokens.numAffectedRows ?? 0n));
}
