import { sql } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import type { MoneyTables } from "./tables.ts";

/** Most rows of each list in a summary or listing. */
export const listingMax = 500;

/** What the bank's books say at one moment. Minor units, debits positive. */
export interface LedgerSummary {
  readonly balances: readonly { kind: string; currency: string; balanceMinor: bigint }[];
  readonly authorizations: readonly {
    merchantId: string;
    state: string;
    currency: string;
    count: number;
    authorizedMinor: bigint;
    capturedMinor: bigint;
    refundedMinor: bigint;
  }[];
  /** Cards with anything owed or held. */
  readonly cards: readonly CardPosition[];
  /** Cards and accounts whose kept figures differ from what postings and holds add up to; zero in a sound bank. */
  readonly drifted: number;
}

/** A card's money. Minor units; `lapsedMinor` is the part of `heldMinor` that is over but not booked yet. */
export interface CardPosition {
  readonly cardId: string;
  readonly customerId: string;
  readonly brand: string;
  readonly lastFour: string;
  readonly status: string;
  readonly currency: string;
  readonly creditLimitMinor: bigint;
  readonly owedMinor: bigint;
  readonly heldMinor: bigint;
  readonly lapsedMinor: bigint;
}

/** A customer with what the bank keeps for them. */
export interface CustomerPosition {
  readonly customerId: string;
  readonly fiUserRef: string;
  readonly email: string;
  readonly displayName: string;
  readonly cards: number;
  readonly accounts: number;
}

/** Reads the books for operators. */
export interface LedgerReports {
  /** Everything in one snapshot; sums by merchant narrowed to one when given. */
  summary(now: Date, merchantId?: string): Promise<LedgerSummary>;
  cards(now: Date, page: { limit: number; offset: number }): Promise<CardPosition[]>;
  customers(page: { limit: number; offset: number }): Promise<CustomerPosition[]>;
}

const cardColumns = (now: Date) => sql`c.id as "cardId", c.customer_id as "customerId", c.brand,
  c.last_four as "lastFour", c.status, c.currency, c.credit_limit_minor as "creditLimitMinor",
  c.owed_minor as "owedMinor", c.held_minor as "heldMinor",
  (select coalesce(sum(a.amount_minor), 0)::bigint from authorizations a
    where a.card_id = c.id and a.state = 'PENDING' and a.expires_at <= ${now}) as "lapsedMinor"`;

const driftedSql = sql<{ drifted: number }>`with booked as (
    select ledger_account_id, sum(amount_minor) as amount from postings group by ledger_account_id
  ), held as (
    select card_id, sum(amount_minor) as amount from authorizations where state = 'PENDING' group by card_id
  )
  select (
    select count(*) from cards c join ledger_accounts l on l.card_id = c.id
      left join booked b on b.ledger_account_id = l.id left join held h on h.card_id = c.id
     where c.owed_minor <> coalesce(b.amount, 0) or c.held_minor <> coalesce(h.amount, 0)
  )::int + (
    select count(*) from accounts a join ledger_accounts l on l.account_id = a.id
      left join booked b on b.ledger_account_id = l.id
     where a.balance_minor <> -coalesce(b.amount, 0)
  )::int as drifted`;

/** Opens the reports. */
export function createLedgerReports<T extends MoneyTables>(db: Pick<Database<T>, "query">): LedgerReports {
  return {
    summary: (now, merchantId) =>
      db.query
        .transaction()
        .setIsolationLevel("repeatable read")
        .setAccessMode("read only")
        .execute(async (tx) => {
          const balances = await sql<LedgerSummary["balances"][number]>`select l.kind, l.currency,
              coalesce(sum(p.amount_minor), 0)::bigint as "balanceMinor"
            from ledger_accounts l left join postings p on p.ledger_account_id = l.id
            group by l.kind, l.currency order by l.kind, l.currency`.execute(tx);
          const authorizations = await sql<LedgerSummary["authorizations"][number]>`select merchant_id as "merchantId",
              state, currency, count(*)::int as count, sum(amount_minor)::bigint as "authorizedMinor",
              sum(captured_minor)::bigint as "capturedMinor", sum(refunded_minor)::bigint as "refundedMinor"
            from authorizations
            where request_hash is not null and (${merchantId ?? null}::text is null or merchant_id = ${merchantId ?? null})
            group by merchant_id, state, currency order by merchant_id, state, currency
            limit ${listingMax}`.execute(tx);
          const cards = await sql<CardPosition>`select ${cardColumns(now)} from cards c
            where c.held_minor <> 0 or c.owed_minor <> 0 order by c.id limit ${listingMax}`.execute(tx);
          const drift = await driftedSql.execute(tx);
          return {
            balances: balances.rows,
            authorizations: authorizations.rows,
            cards: cards.rows,
            drifted: drift.rows[0]?.drifted ?? 0,
          };
        }),
    async cards(now, page) {
      const found = await sql<CardPosition>`select ${cardColumns(now)} from cards c order by c.id
        limit ${page.limit} offset ${page.offset}`.execute(db.query);
      return found.rows;
    },
    async customers(page) {
      const found = await sql<CustomerPosition>`select u.id as "customerId", u.fi_user_ref as "fiUserRef", u.email,
          u.display_name as "displayName",
          (select count(*)::int from cards c where c.customer_id = u.id) as cards,
          (select count(*)::int from accounts a where a.customer_id = u.id) as accounts
        from customers u order by u.id limit ${page.limit} offset ${page.offset}`.execute(db.query);
      return found.rows;
    },
  };
}
