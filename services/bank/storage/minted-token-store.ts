import type { Database } from "../../platform/db/open-database.ts";
import type { IdentityTables } from "./identity-tables.ts";

/** A card token about to leave the bank. */
export interface MintedToken {
  readonly tokenRef: string;
  readonly kind: "wallet" | "consent";
  readonly cardId: string;
  readonly customerId: string;
  readonly credentialId?: string;
  readonly grantId?: string;
  readonly merchantId?: string | undefined;
  /** Minor units: exact for a wallet's token, upper limit for a consent's. */
  readonly amountMinor?: bigint | undefined;
  readonly currency?: string | undefined;
  readonly expiresAt: Date;
}

/** Writes card tokens; the payment network reads and consumes them. */
export interface MintedTokenStore {
  /**
   * Adds a token. False, and nothing added, when the card is no active card of that customer or the credential it is
   * minted under was revoked: both are checked in the same statement, so a revocation cannot be overtaken.
   */
  add(token: MintedToken): Promise<boolean>;
  /** Revokes a token this wallet got for this customer. False when there is none. A repeat, or a token used up, is true. */
  revoke(
    tokenRef: string,
    owner: { readonly customerId: string; readonly walletId: string },
    now: Date,
  ): Promise<boolean>;
}

/** Opens the store. */
export function createMintedTokenStore(db: Pick<Database<IdentityTables>, "query">): MintedTokenStore {
  return {
    async add(token) {
      const result = await db.query
        .insertInto("card_tokens")
        .columns([
          "token_ref",
          "kind",
          "card_id",
          "customer_id",
          "credential_id",
          "grant_id",
          "merchant_id",
          "amount_minor",
          "currency",
          "expires_at",
        ])
        .expression((from) => {
          let card = from
            .selectFrom("cards as c")
            .where("c.id", "=", token.cardId)
            .where("c.customer_id", "=", token.customerId)
            .where("c.status", "=", "active");
          if (token.credentialId !== undefined) {
            const { credentialId } = token;
            card = card.where((where) =>
              where.exists(
                where
                  .selectFrom("wallet_credentials as w")
                  .select("w.id")
                  .where("w.id", "=", credentialId)
                  .where("w.revoked_at", "is", null)
                  .forShare(),
              ),
            );
          }
          return card.select((value) => [
            value.val(token.tokenRef).as("token_ref"),
            value.val(token.kind).as("kind"),
            "c.id as card_id",
            "c.customer_id as customer_id",
            value.cast<string | null>(value.val(token.credentialId ?? null), "uuid").as("credential_id"),
            value.val(token.grantId ?? null).as("grant_id"),
            value.val(token.merchantId ?? null).as("merchant_id"),
            value.cast<bigint | null>(value.val(token.amountMinor ?? null), "bigint").as("amount_minor"),
            value.val(token.currency ?? null).as("currency"),
            value.cast<Date>(value.val(token.expiresAt), "timestamptz").as("expires_at"),
          ]);
        })
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 1n;
    },
    async revoke(tokenRef, owner, now) {
      const result = await db.query
        .updateTable("card_tokens")
        .set((value) => ({
          revoked_at: value.fn.coalesce("revoked_at", value.cast<Date>(value.val(now), "timestamptz")),
        }))
        .where("token_ref", "=", tokenRef)
        .where("customer_id", "=", owner.customerId)
        .where((where) =>
          where(
            "credential_id",
            "in",
            where
              .selectFrom("wallet_credentials")
              .select("id")
              .where("customer_id", "=", owner.customerId)
              .where("client_id", "=", owner.walletId),
          ),
        )
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
  };
}
