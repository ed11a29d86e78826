import { sql } from "kysely";
import type { Tx } from "./storage.ts";

/**
 * Makes the rest of a transaction find its rows by index: a statement that joins a batch of keys with a table of millions is planned
 * for the table it met first, and a hash join over all of it costs a thousand times the batch.
 */
export async function planByIndex(tx: Tx): Promise<void> {
  await sql`select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('enable_seqscan', 'off', true)`.execute(tx);
}
