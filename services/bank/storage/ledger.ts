import { sql, type Transaction } from "kysely";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { JournalEntry, Posting } from "../domain/journal.ts";
import type { MoneyTables } from "./tables.ts";

/** An entry to be written, and where it belongs. */
export interface EntryToPost {
  readonly entry: JournalEntry;
  readonly currency: string;
  readonly authorizationId?: string;
  readonly postedAt: Date;
}

/**
 * Writes an entry with its postings and moves the balances of the cards and accounts it touches: the only writer of
 * `cards.owed_minor` and `accounts.balance_minor`. Throws `INSUFFICIENT_FUNDS` when a deposit account would go below zero.
 * The database refuses the commit of an entry that does not balance.
 */
export async function postEntry<T extends MoneyTables>(tx: Transaction<T>, toPost: EntryToPost): Promise<string> {
  const { entry, postedAt } = toPost;
  const entryId = uuidv7(postedAt.getTime());
  await sql`insert into journal_entries (id, kind, authorization_id, description, posted_at)
    values (${entryId}, ${entry.kind}, ${toPost.authorizationId ?? null}, ${entry.description}, ${postedAt})`.execute(
    tx,
  );
  for (const [index, posting] of entry.postings.entries()) {
    const balanceAfterMinor = await moveBalance(tx, posting, postedAt);
    const accountId = await ledgerAccountId(tx, posting, toPost.currency);
    await sql`insert into postings (entry_id, line, ledger_account_id, amount_minor, posted_at, balance_after_minor)
      values (${entryId}, ${index + 1}, ${accountId}, ${posting.amountMinor}, ${postedAt},
        ${balanceAfterMinor ?? null})`.execute(tx);
  }
  return entryId;
}

async function moveBalance<T>(tx: Transaction<T>, posting: Posting, now: Date): Promise<bigint | undefined> {
  const { target, amountMinor } = posting;
  if (target.kind === "card_receivable") {
    await sql`update cards set owed_minor = owed_minor + ${amountMinor}, updated_at = ${now}
      where id = ${target.cardId}`.execute(tx);
  }
  if (target.kind !== "deposit") return undefined;
  // A deposit is the bank's debt: a credit, which is negative, raises what the customer has.
  const moved = await sql<{ balance_minor: bigint }>`update accounts
    set balance_minor = balance_minor - ${amountMinor}, updated_at = ${now}
    where id = ${target.accountId} and balance_minor - ${amountMinor} >= 0 returning balance_minor`.execute(tx);
  const balance = moved.rows[0]?.balance_minor;
  if (balance === undefined) throw new DomainError("INSUFFICIENT_FUNDS");
  return balance;
}

async function ledgerAccountId<T>(tx: Transaction<T>, posting: Posting, currency: string): Promise<string> {
  const { target } = posting;
  const found =
    target.kind === "card_receivable"
      ? sql<{ id: string }>`select id from ledger_accounts where card_id = ${target.cardId}`
      : target.kind === "deposit"
        ? sql<{ id: string }>`select id from ledger_accounts where account_id = ${target.accountId}`
        : sql<{ id: string }>`select id from ledger_accounts
            where kind = ${target.kind} and currency = ${currency} and card_id is null and account_id is null`;
  const id = (await found.execute(tx)).rows[0]?.id;
  if (id !== undefined) return id;
  if (target.kind === "card_receivable" || target.kind === "deposit")
    throw new Error("no ledger account for a posting");
  // The bank's own accounts come into being with their first posting in a currency.
  await sql`insert into ledger_accounts (kind, currency) values (${target.kind}, ${currency})
    on conflict do nothing`.execute(tx);
  const made = (await found.execute(tx)).rows[0]?.id;
  if (made === undefined) throw new Error("the bank's own ledger account could not be opened");
  return made;
}
