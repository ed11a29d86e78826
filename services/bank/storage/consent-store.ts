import type { Selectable, Transaction } from "kysely";
import type { HotStatement } from "../../platform/db/hot-statements.ts";
import type { Database } from "../../platform/db/open-database.ts";
import type { GrantEnding } from "../../platform/oidc/storage/oidc-record-store.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { ConsentsTable, IdentityTables } from "./identity-tables.ts";

/** What a customer allowed a client to do. */
export interface Consent {
  readonly id: string;
  readonly grantId: string;
  readonly customerId: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly cardIds: readonly string[];
  readonly accountIds: readonly string[];
  /** Upper limit of a payment, minor units of `currency`. */
  readonly limitMinor: bigint | undefined;
  readonly currency: string | undefined;
  readonly remembered: boolean;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Keeps consents. */
export interface ConsentStore {
  add(consent: Consent): Promise<void>;
  /** The consent behind a grant, unless it has ended. */
  ofGrant(grantId: string, now: Date): Promise<Consent | undefined>;
  /** The newest decision the customer wanted remembered for this client, if it covers every one of these scopes. */
  remembered(customerId: string, clientId: string, scopes: readonly string[], now: Date): Promise<Consent | undefined>;
}

type ConsentRow = Omit<Selectable<ConsentsTable>, "ended_at">;

// Every call of Open Banking asks.
const findOfGrant: HotStatement = {
  name: "bank_consent_of_grant",
  text: `select id, grant_id, customer_id, client_id, scopes, card_ids, account_ids, limit_minor, currency, remembered, created_at,
      expires_at
    from consents where grant_id = $1 and ended_at is null and expires_at > $2`,
};

/** Opens the store. */
export function createConsentStore(db: Pick<Database<IdentityTables>, "query" | "hot">): ConsentStore {
  return {
    async add(consent) {
      await db.query
        .insertInto("consents")
        .values({
          id: consent.id,
          grant_id: consent.grantId,
          customer_id: consent.customerId,
          client_id: consent.clientId,
          scopes: [...consent.scopes],
          card_ids: [...consent.cardIds],
          account_ids: [...consent.accountIds],
          limit_minor: consent.limitMinor ?? null,
          currency: consent.currency ?? null,
          remembered: consent.remembered,
          created_at: consent.createdAt,
          expires_at: consent.expiresAt,
          ended_at: null,
        })
        .execute();
    },
    async ofGrant(grantId, now) {
      const [row] = await db.hot<ConsentRow>(findOfGrant, [grantId, now]);
      return row && toConsent(row);
    },
    async remembered(customerId, clientId, scopes, now) {
      const row = await db.query
        .selectFrom("consents")
        .selectAll()
        .where("customer_id", "=", customerId)
        .where("client_id", "=", clientId)
        .where("remembered", "=", true)
        .where("ended_at", "is", null)
        .where("expires_at", ">", now)
        .orderBy("created_at", "desc")
        .limit(1)
        .executeTakeFirst();
      return row && scopes.every((scope) => row.scopes.includes(scope)) ? toConsent(row) : undefined;
    },
  };
}

/** What ends with a grant, for the OIDC server's storage. */
export function grantEnding(clock: Clock): GrantEnding {
  // The service's transaction knows all the service's tables, the OIDC ones among them.
  return (tx, grantId) => endGrantOfBank(tx as unknown as Transaction<IdentityTables>, grantId, clock.now());
}

/**
 * Ends what a grant gave outside the OIDC tables: its consent, wallet credentials and unused card tokens. Part of the
 * transaction that ends the grant.
 */
export async function endGrantOfBank(tx: Transaction<IdentityTables>, grantId: string, now: Date): Promise<void> {
  await tx
    .updateTable("consents")
    .set({ ended_at: now })
    .where("grant_id", "=", grantId)
    .where("ended_at", "is", null)
    .execute();
  await tx
    .updateTable("wallet_credentials")
    .set({ revoked_at: now, revoked_why: "grant_ended" })
    .where("grant_id", "=", grantId)
    .where("revoked_at", "is", null)
    .execute();
  await forgetDecision(tx, grantId);
  await tx
    .updateTable("card_tokens")
    .set({ revoked_at: now })
    .where("revoked_at", "is", null)
    .where("consumed_at", "is", null)
    .where((where) =>
      where.or([
        where("grant_id", "=", grantId),
        where(
          "credential_id",
          "in",
          where.selectFrom("wallet_credentials").select("id").where("grant_id", "=", grantId),
        ),
      ]),
    )
    .execute();
}

/** With the last link between a customer and a client its remembered decisions go: linking again asks again. */
async function forgetDecision(tx: Transaction<IdentityTables>, grantId: string): Promise<void> {
  await tx
    .updateTable("consents as c")
    .from("consents as e")
    .set({ remembered: false })
    .where("e.grant_id", "=", grantId)
    .whereRef("c.customer_id", "=", "e.customer_id")
    .whereRef("c.client_id", "=", "e.client_id")
    .where("c.remembered", "=", true)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom("wallet_credentials as w")
            .select("w.id")
            .whereRef("w.customer_id", "=", "c.customer_id")
            .whereRef("w.client_id", "=", "c.client_id")
            .where("w.revoked_at", "is", null),
        ),
      ),
    )
    .execute();
}

function toConsent(row: ConsentRow): Consent {
  return {
    id: row.id,
    grantId: row.grant_id,
    customerId: row.customer_id,
    clientId: row.client_id,
    scopes: row.scopes,
    cardIds: row.card_ids,
    accountIds: row.account_ids,
    limitMinor: row.limit_minor ?? undefined,
    currency: row.currency ?? undefined,
    remembered: row.remembered,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
