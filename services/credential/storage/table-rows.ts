import { type RawBuilder, type Selectable, sql } from "kysely";
import type { Tx } from "./storage.ts";
import type { Tables } from "./tables.ts";

const batchSize = 1_000;

/** A table to be read whole, and what of it. */
export interface RowsWanted<Name extends keyof Tables> {
  readonly table: Name;
  /** Its primary key, the column after column in which it is read. */
  readonly key: readonly (keyof Selectable<Tables[Name]> & string)[];
  /** All rows unless told. */
  readonly where?: RawBuilder<unknown>;
}

/** Every row of a table in the order of its primary key, however many there are: read in batches of 1000. */
export async function* rowsOf<Name extends keyof Tables>(
  tx: Tx,
  { table, key, where = sql`true` }: RowsWanted<Name>,
): AsyncGenerator<Selectable<Tables[Name]>> {
  const columns = sql.join(key.map((column) => sql.ref(column)));
  for (let after = sql`true`; ; ) {
    const { rows } = await sql<Selectable<Tables[Name]>>`
      select * from ${sql.table(table)} where ${after} and ${where} order by ${columns} limit ${batchSize}`.execute(tx);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = sql`(${columns}) > (${sql.join(key.map((column) => last[column]))})`;
  }
}
