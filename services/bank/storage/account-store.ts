import { sql } from "kysely";
import type { HotStatement } from "../../platform/db/hot-statements.ts";
import type { Database } from "../../platform/db/open-database.ts";
import type { MoneyTables } from "./tables.ts";

/** A deposit account with its holder. Balance in minor units. */
export interface AccountView {
  readonly id: string;
  readonly kind: "CHEQUING" | "SAVINGS";
  readonly name: string;
  readonly maskedNumber: string;
  readonly currency: string;
  readonly status: "OPEN" | "CLOSED";
  readonly balanceMinor: bigint;
  /** `YYYY-MM-DD`. */
  readonly openedOn: string;
  readonly holderName: string;
  readonly holderEmail: string;
}

/** One booked movement of an account; a positive amount came in. Minor units. */
export interface TransactionView {
  /** Of the entry and its line: the same on every reading. */
  readonly id: string;
  readonly kind: string;
  readonly description: string;
  readonly amountMinor: bigint;
  readonly postedAt: Date;
  readonly balanceAfterMinor: bigint;
}

/** A customer as shown outside. */
export interface CustomerView {
  readonly fiUserRef: string;
  readonly displayName: string;
  readonly email: string;
  readonly locale: string;
}

/** Which accounts a caller may see: the customer's, and among them those consented to. Part of every `where`. */
export interface AccountScope {
  readonly fiUserRef: string;
  readonly accountIds: readonly string[];
}

/** Reads deposit accounts. Lists give up to `limit + 1` rows, so that the caller knows whether more follow. */
export interface AccountStore {
  list(scope: AccountScope, page: { limit: number; offset: number }): Promise<AccountView[]>;
  find(scope: AccountScope, accountId: string): Promise<AccountView | undefined>;
  /** Newest first. */
  transactions(
    accountId: string,
    period: { from: Date; until: Date },
    page: { limit: number; offset: number },
  ): Promise<TransactionView[]>;
  customer(fiUserRef: string): Promise<CustomerView | undefined>;
}

const columnNames = `a.id, a.kind, a.name, a.masked_number as "maskedNumber", a.currency, a.status,
  a.balance_minor as "balanceMinor", to_char(a.opened_on, 'YYYY-MM-DD') as "openedOn",
  c.display_name as "holderName", c.email as "holderEmail"`;
const columns = sql.raw(columnNames);

const listOfScope: HotStatement = {
  name: "bank_list_accounts",
  text: `select ${columnNames}
    from customers c join accounts a on a.customer_id = c.id
    where c.fi_user_ref = $1 and a.id = any($2::uuid[])
    order by a.id limit $3 offset $4`,
};

/** Opens the store. */
export function createAccountStore<T extends MoneyTables>(db: Pick<Database<T>, "query" | "hot">): AccountStore {
  return {
    async list(scope, page) {
      const { fiUserRef, accountIds } = scope;
      return [...(await db.hot<AccountView>(listOfScope, [fiUserRef, accountIds, page.limit + 1, page.offset]))];
    },
    async find(scope, accountId) {
      const found = await sql<AccountView>`select ${columns}
        from customers c join accounts a on a.customer_id = c.id
        where c.fi_user_ref = ${scope.fiUserRef} and a.id = any(${[...scope.accountIds]}::uuid[])
          and a.id = ${accountId}`.execute(db.query);
      return found.rows[0];
    },
    async transactions(accountId, period, page) {
      const found = await sql<TransactionView>`select p.entry_id || '-' || p.line as id, e.kind, e.description,
          -p.amount_minor as "amountMinor", p.posted_at as "postedAt", p.balance_after_minor as "balanceAfterMinor"
        from ledger_accounts l join postings p on p.ledger_account_id = l.id join journal_entries e on e.id = p.entry_id
        where l.account_id = ${accountId} and p.posted_at >= ${period.from} and p.posted_at < ${period.until}
        order by p.posted_at desc, p.entry_id desc, p.line desc limit ${page.limit + 1} offset ${page.offset}`.execute(
        db.query,
      );
      return found.rows;
    },
    async customer(fiUserRef) {
      const found = await sql<CustomerView>`select fi_user_ref as "fiUserRef", display_name as "displayName", email,
          locale from customers where fi_user_ref = ${fiUserRef}`.execute(db.query);
      return found.rows[0];
    },
  };
}
