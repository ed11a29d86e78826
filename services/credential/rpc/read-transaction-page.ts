import type { ProviderTransaction } from "../connectors/provider-data.ts";
import type { ConnectionKey } from "../domain/connection.ts";
import { listStoredTransactions } from "../storage/provider-data-store.ts";
import type { Queryable } from "../storage/storage.ts";
import { type PageCursor, tokenAfter } from "./request-parts.ts";

/** What is asked for, beside what `readPage` makes of size and token; bounds as in `TransactionQuery`. */
export interface TransactionPageQuery {
  readonly accountId?: string | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  readonly limit: number;
  readonly after: PageCursor | undefined;
}

/** A page of a connection's stored transactions, newest first; the token is empty on the last one. */
export async function readTransactionPage(
  db: Queryable,
  key: ConnectionKey,
  { accountId, from, to, limit, after }: TransactionPageQuery,
): Promise<{ readonly transactions: readonly ProviderTransaction[]; readonly nextPageToken: string }> {
  const cursor = after && { postedAt: after.at, transactionId: after.id };
  const rows = await listStoredTransactions(db, key, { accountId, from, to, after: cursor, limit: limit + 1 });
  const transactions = rows.slice(0, limit);
  const nextPageToken = tokenAfter(rows, transactions, (last) => ({ at: last.postedAt, id: last.transactionId }));
  return { transactions, nextPageToken };
}
