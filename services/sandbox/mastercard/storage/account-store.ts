import { type Kysely, sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { Account } from "../domain/login.ts";
import { statusCodes } from "../domain/login.ts";
import type { MastercardTables } from "./tables.ts";

const listedMax = 1_000;
const aggregatedAtOnce = 100;
/** How far back `historic` reaches. */
const longHistoryDays = 730;

/** Which accounts: of a customer, of a login, or one. */
export interface AccountFilter {
  readonly customerId?: bigint | undefined;
  readonly loginId?: bigint | undefined;
  readonly accountId?: bigint | undefined;
}

/** Accounts and their aggregation: the moments at which an institution is asked. */
export interface AccountStore {
  list(filter: AccountFilter): Promise<readonly Account[]>;
  /** Asks the institutions of these accounts now. Those whose person has to act first end with that status code. */
  aggregate(filter: AccountFilter, now: Date, nextAt: Date): Promise<void>;
  /** Asks for all accounts that are due. Returns how many. */
  aggregateDue(now: Date, nextAt: Date): Promise<number>;
  /** Lets the transactions of an account begin up to two years before it was added. */
  loadHistory(accountId: bigint): Promise<void>;
  remove(accountId: bigint, now: Date): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createAccountStore(db: Database<MastercardTables>): AccountStore {
  return {
    list: (filter) => accountsOf(db.query, filter),
    async aggregate(filter, now, nextAt) {
      const accounts = await accountsOf(db.query, filter);
      await aggregate(
        db.query,
        accounts.map((each) => each.accountId),
        now,
        nextAt,
      );
    },
    aggregateDue: (now, nextAt) =>
      inTransaction(db, async (tx) => {
        const due = await tx
          .selectFrom("accounts")
          .select("account_id")
          .where("removed_at", "is", null)
          .where("aggregation_due_at", "<=", now)
          .limit(aggregatedAtOnce)
          .forUpdate()
          .skipLocked()
          .execute();
        await aggregate(
          tx,
          due.map((row) => row.account_id),
          now,
          nextAt,
        );
        return due.length;
      }),
    async loadHistory(accountId) {
      const change = { history_days: longHistoryDays };
      await db.query.updateTable("accounts").set(change).where("account_id", "=", accountId).execute();
    },
    async remove(accountId, now) {
      await db.query.updateTable("accounts").set({ removed_at: now }).where("account_id", "=", accountId).execute();
    },
  };
}

async function aggregate(
  query: Kysely<MastercardTables>,
  accountIds: readonly bigint[],
  now: Date,
  nextAt: Date,
): Promise<void> {
  if (accountIds.length === 0) return;
  await query
    .updateTable("accounts")
    .from("institution_logins as login")
    .set({
      attempted_at: now,
      aggregation_due_at: nextAt,
      status_code: sql`login.status_code`,
      aggregated_at: sql`case when login.status_code = ${statusCodes.ok} then ${now} else aggregated_at end`,
    })
    .whereRef("login.login_id", "=", "accounts.login_id")
    .where("account_id", "in", [...accountIds])
    .execute();
}

/** Accounts with their logins, in the order they were added. */
export async function accountsOf(query: Kysely<MastercardTables>, filter: AccountFilter): Promise<readonly Account[]> {
  const { customerId, loginId, accountId } = filter;
  const rows = await query
    .selectFrom("accounts")
    .innerJoin("institution_logins as login", "login.login_id", "accounts.login_id")
    .select(["account_id", "accounts.login_id", "accounts.customer_id", "kind", "created_at", "history_days"])
    .select(["accounts.status_code", "aggregated_at", "attempted_at"])
    .select(["institution_id", "username", "oauth", "authorized_at", "authorization_ends_at"])
    .select("login.status_code as login_status_code")
    .where("accounts.removed_at", "is", null)
    .$if(customerId !== undefined, (each) => each.where("accounts.customer_id", "=", customerId ?? 0n))
    .$if(loginId !== undefined, (each) => each.where("accounts.login_id", "=", loginId ?? 0n))
    .$if(accountId !== undefined, (each) => each.where("account_id", "=", accountId ?? 0n))
    .orderBy("account_id")
    .limit(listedMax)
    .execute();
  return rows.map((row) => ({
    accountId: row.account_id,
    kind: row.kind,
    createdAt: row.created_at,
    historyDays: row.history_days,
    statusCode: row.status_code,
    aggregatedAt: row.aggregated_at,
    attemptedAt: row.attempted_at,
    login: {
      loginId: row.login_id,
      customerId: row.customer_id,
      institutionId: row.institution_id,
      username: row.username,
      oauth: row.oauth,
      authorizedAt: row.authorized_at,
      authorizationEndsAt: row.authorization_ends_at,
      statusCode: row.login_status_code,
    },
  }));
}
