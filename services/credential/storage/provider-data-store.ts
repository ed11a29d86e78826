import { sql } from "kysely";
import type { ProviderAccount, ProviderTransaction } from "../connectors/provider-data.ts";
import type { ConnectionKey } from "../domain/connection.ts";
import type { Queryable, Tx } from "./storage.ts";

const rowsPerStatementMax = 1_000;
const absentAccountsMax = 100;

/** How many rows a save made and changed. */
export interface SavedCounts {
  readonly added: number;
  readonly changed: number;
}

/**
 * Makes these the connection's accounts by the provider's ids. Those it no longer names are not shown any more, nor are their transactions;
 * what becomes of them says `deleteAbsentAccounts`. A balance that was not told leaves the last known one, whose time tells its age.
 */
export async function saveAccounts(
  tx: Tx,
  key: ConnectionKey,
  accounts: readonly ProviderAccount[],
  now: Date,
): Promise<void> {
  const owned = keyColumns(key);
  const ids = accounts.map((account) => account.accountId);
  await tx
    .updateTable("provider_accounts")
    .set({ absent_since: now })
    .where("tenant", "=", owned.tenant)
    .where("user_id", "=", owned.user_id)
    .where("connection_id", "=", owned.connection_id)
    .where("absent_since", "is", null)
    .where(sql<boolean>`account_id <> all(${ids}::text[])`)
    .execute();
  for (const [position, account] of accounts.entries()) {
    const described = {
      position,
      account_type: account.accountType,
      display_name: account.displayName,
      masked_number: account.maskedNumber,
      currency: account.currency,
      absent_since: null,
      updated_at: now,
    };
    const row = {
      ...described,
      balance_minor: account.balanceMinor ?? null,
      available_minor: account.availableMinor ?? null,
      as_of: account.asOf ?? now,
    };
    await tx
      .insertInto("provider_accounts")
      .values({ ...owned, account_id: account.accountId, ...row })
      .onConflict((conflict) =>
        conflict.columns([...keyNames, "account_id"]).doUpdateSet(account.balanceMinor === undefined ? described : row),
      )
      .execute();
  }
}

/** The accounts their provider names, as they were last seen, in its order. */
export async function listStoredAccounts(db: Queryable, key: ConnectionKey): Promise<ProviderAccount[]> {
  const rows = await db
    .selectFrom("provider_accounts")
    .selectAll()
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .where("absent_since", "is", null)
    .orderBy("position")
    .orderBy("account_id")
    .execute();
  return rows.map((row) => ({
    accountId: row.account_id,
    accountType: row.account_type,
    displayName: row.display_name,
    maskedNumber: row.masked_number,
    currency: row.currency,
    balanceMinor: row.balance_minor ?? undefined,
    availableMinor: row.available_minor ?? undefined,
    asOf: row.as_of ?? undefined,
  }));
}

/** When the provider's answer that named a connection's accounts was stored; undefined where it has none. */
export async function accountsSavedAt(db: Queryable, key: ConnectionKey): Promise<Date | undefined> {
  const row = await db
    .selectFrom("provider_accounts")
    .select((eb) => eb.fn.max("updated_at").as("saved_at"))
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .where("absent_since", "is", null)
    .executeTakeFirst();
  return row?.saved_at ?? undefined;
}

/**
 * Saves transactions by the provider's ids, over what was there. A booked one removes the pending one it replaces. Ids must be
 * unique in the list.
 */
export async function saveTransactions(
  tx: Tx,
  key: ConnectionKey,
  transactions: readonly ProviderTransaction[],
  now: Date,
): Promise<SavedCounts> {
  const counts = { added: 0, changed: 0 };
  for (let start = 0; start < transactions.length; start += rowsPerStatementMax) {
    const saved = await saveChunk(tx, key, transactions.slice(start, start + rowsPerStatementMax), now);
    counts.added += saved.added;
    counts.changed += saved.changed;
  }
  const replaced = transactions.flatMap((each) => each.pendingTransactionId ?? []);
  await deleteTransactions(tx, key, replaced);
  return counts;
}

async function saveChunk(
  tx: Tx,
  key: ConnectionKey,
  chunk: readonly ProviderTransaction[],
  now: Date,
): Promise<SavedCounts> {
  const column = <T>(of: (transaction: ProviderTransaction) => T): T[] => chunk.map(of);
  const { tenant, user_id, connection_id } = keyColumns(key);
  const result = await sql<{ inserted: boolean }>`
    insert into provider_transactions as stored
      (tenant, user_id, connection_id, transaction_id, account_id, amount_minor, currency, description, status, posted_at,
       transacted_at, category, pending_transaction_id, created_at, updated_at)
    select ${tenant}, ${user_id}, ${connection_id}::uuid, given.*, ${now}::timestamptz, ${now}::timestamptz
    from unnest(
      ${column((each) => each.transactionId)}::text[], ${column((each) => each.accountId)}::text[],
      ${column((each) => each.amountMinor.toString())}::bigint[], ${column((each) => each.currency)}::text[],
      ${column((each) => storable(each.description))}::text[], ${column((each) => each.status)}::text[],
      ${column((each) => each.postedAt)}::timestamptz[], ${column((each) => each.transactedAt ?? null)}::timestamptz[],
      ${column((each) => each.category ?? null)}::text[], ${column((each) => each.pendingTransactionId ?? null)}::text[]
    ) as given
    on conflict (tenant, user_id, connection_id, transaction_id) do update set
      account_id = excluded.account_id, amount_minor = excluded.amount_minor, currency = excluded.currency,
      description = excluded.description, status = excluded.status, posted_at = excluded.posted_at,
      transacted_at = excluded.transacted_at, category = excluded.category,
      pending_transaction_id = excluded.pending_transaction_id, updated_at = excluded.updated_at
    where (stored.account_id, stored.amount_minor, stored.currency, stored.description, stored.status, stored.posted_at,
           stored.transacted_at, stored.category, stored.pending_transaction_id)
      is distinct from (excluded.account_id, excluded.amount_minor, excluded.currency, excluded.description,
           excluded.status, excluded.posted_at, excluded.transacted_at, excluded.category, excluded.pending_transaction_id)
    returning (xmax = 0) as inserted`.execute(tx);
  const added = result.rows.filter((row) => row.inserted).length;
  return { added, changed: result.rows.length - added };
}

/** Removes transactions by the provider's ids; returns how many were there. */
export async function deleteTransactions(tx: Tx, key: ConnectionKey, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { tenant, user_id, connection_id } = keyColumns(key);
  const result = await sql`
    delete from provider_transactions where tenant = ${tenant} and user_id = ${user_id}
      and connection_id = ${connection_id}::uuid and transaction_id = any(${[...ids]}::text[])`.execute(tx);
  return Number(result.numAffectedRows ?? 0n);
}

/** Where a page of transactions begins: after this one. */
export interface TransactionCursor {
  readonly postedAt: Date;
  readonly transactionId: string;
}

/** What a page of transactions is asked for. Bounds are of `postedAt`: from is included, to is not. */
export interface TransactionQuery {
  /** Of all accounts when absent. */
  readonly accountId?: string | undefined;
  readonly from: Date | undefined;
  readonly to: Date | undefined;
  readonly after: TransactionCursor | undefined;
  readonly limit: number;
}

/** A page of stored transactions, newest first; without those of accounts the provider no longer names. */
export async function listStoredTransactions(
  db: Queryable,
  key: ConnectionKey,
  query: TransactionQuery,
): Promise<ProviderTransaction[]> {
  const { tenant, user_id, connection_id } = keyColumns(key);
  let select = db
    .selectFrom("provider_transactions")
    .selectAll()
    .where("tenant", "=", tenant)
    .where("user_id", "=", user_id)
    .where("connection_id", "=", connection_id)
    .where(
      sql<boolean>`account_id <> all(array(select account_id from provider_accounts where tenant = ${tenant}
        and user_id = ${user_id} and connection_id = ${connection_id}::uuid and absent_since is not null))`,
    );
  if (query.accountId !== undefined) select = select.where("account_id", "=", query.accountId);
  if (query.from !== undefined) select = select.where("posted_at", ">=", query.from);
  if (query.to !== undefined) select = select.where("posted_at", "<", query.to);
  if (query.after !== undefined) {
    const { postedAt, transactionId } = query.after;
    select = select.where(
      sql<boolean>`(posted_at, transaction_id) < (${postedAt}::timestamptz, ${transactionId}::text)`,
    );
  }
  const rows = await select.orderBy("posted_at", "desc").orderBy("transaction_id", "desc").limit(query.limit).execute();
  return rows.map((row) => ({
    transactionId: row.transaction_id,
    accountId: row.account_id,
    amountMinor: row.amount_minor,
    currency: row.currency,
    description: row.description,
    status: row.status,
    postedAt: row.posted_at,
    transactedAt: row.transacted_at ?? undefined,
    category: row.category ?? undefined,
    pendingTransactionId: row.pending_transaction_id ?? undefined,
  }));
}

/** Forgets everything a connection brought. */
export async function deleteProviderData(tx: Tx, key: ConnectionKey): Promise<void> {
  const { tenant, user_id, connection_id } = keyColumns(key);
  for (const table of ["provider_transactions", "provider_accounts", "sync_states"] as const) {
    await tx
      .deleteFrom(table)
      .where("tenant", "=", tenant)
      .where("user_id", "=", user_id)
      .where("connection_id", "=", connection_id)
      .execute();
  }
}

/**
 * Removes transactions older than their connection keeps them, at most `limit` of each kind: `daysDefault`, or fewer where the
 * owner said so. Returns how many.
 */
export async function deleteOldTransactions(
  db: Queryable,
  work: { now: Date; daysDefault: number; limit: number },
): Promise<bigint> {
  const { now, daysDefault, limit } = work;
  const byAge = await sql`
    delete from provider_transactions where (tenant, user_id, connection_id, transaction_id) in (
      select tenant, user_id, connection_id, transaction_id from provider_transactions
      where posted_at < ${now}::timestamptz - make_interval(days => ${daysDefault}::int) order by posted_at limit ${limit})`.execute(
    db,
  );
  const bySetting = await sql`
    delete from provider_transactions where (tenant, user_id, connection_id, transaction_id) in (
      select old.tenant, old.user_id, old.connection_id, old.transaction_id
      from connections c cross join lateral (
        select t.tenant, t.user_id, t.connection_id, t.transaction_id from provider_transactions t
        where t.tenant = c.tenant and t.user_id = c.user_id and t.connection_id = c.connection_id
          and t.posted_at < ${now}::timestamptz - make_interval(days => (c.settings->>'retentionDays')::int)
        limit ${limit}) old
      where c.settings ? 'retentionDays' limit ${limit})`.execute(db);
  return (byAge.numAffectedRows ?? 0n) + (bySetting.numAffectedRows ?? 0n);
}

/**
 * Removes what is left of accounts that their provider has not named since `before`: first their transactions, `limit` at once, then they
 * themselves. Returns how many rows went; call it until none does.
 */
export async function deleteAbsentAccounts(db: Queryable, work: { before: Date; limit: number }): Promise<bigint> {
  // Locked, so that one which is named again at this moment keeps what it has, or comes back without it.
  const gone = sql`gone as (
    select tenant, user_id, connection_id, account_id from provider_accounts where absent_since < ${work.before}::timestamptz
    order by absent_since limit ${absentAccountsMax} for update skip locked)`;
  const lines = await sql`
    with ${gone}
    delete from provider_transactions where (tenant, user_id, connection_id, transaction_id) in (
      select line.tenant, line.user_id, line.connection_id, line.transaction_id
      from gone join provider_transactions line using (tenant, user_id, connection_id, account_id) limit ${work.limit})`.execute(
    db,
  );
  const accounts = await sql`
    with ${gone}
    delete from provider_accounts account using gone
    where account.tenant = gone.tenant and account.user_id = gone.user_id and account.connection_id = gone.connection_id
      and account.account_id = gone.account_id and not exists (
        select from provider_transactions line where line.tenant = gone.tenant and line.user_id = gone.user_id
          and line.connection_id = gone.connection_id and line.account_id = gone.account_id)`.execute(db);
  return (lines.numAffectedRows ?? 0n) + (accounts.numAffectedRows ?? 0n);
}

const keyNames = ["tenant", "user_id", "connection_id"] as const;

function keyColumns({ owner, connectionId }: ConnectionKey) {
  return { tenant: owner.tenant, user_id: owner.userId, connection_id: connectionId };
}

// Shops write their names; a text column takes neither NUL nor half a character.
function storable(text: string): string {
  return text.slice(0, 1_000).toWellFormed().replaceAll("\0", "");
}
