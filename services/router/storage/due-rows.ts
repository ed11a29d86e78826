import { CompiledQuery, type Transaction } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { RouterTables } from "./tables.ts";

const noBitmapScans = CompiledQuery.raw("set local enable_bitmapscan = off");

/**
 * Lets the statements of this transaction read an index of due times entry by entry. What has ended stays in such an index until a vacuum: under
 * load minutes of payments, all of them due by now. An index scan marks what it found dead, and the next one passes it by; a bitmap scan reads it
 * all again at every turn of a sweep.
 */
export async function readDueByIndex(tx: Transaction<RouterTables>): Promise<void> {
  await tx.executeQuery(noBitmapScans);
}

/** Runs one statement that takes rows that are due, in a transaction of its own; resolves with its rows once it is committed. */
export function takeDueRows<Row>(
  db: Pick<Database<RouterTables>, "query">,
  text: string,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  return inTransaction(db, async (tx) => {
    await readDueByIndex(tx);
    // The caller says what the rows of his own text are.
    return (await tx.executeQuery(CompiledQuery.raw(text, [...values]))).rows as Row[];
  });
}
