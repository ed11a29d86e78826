import pg from "pg";
import type { TestDatabase } from "../../platform/testing/postgres.ts";

/** One row of the outbox. */
export interface OutboxRow {
  readonly type: string;
  readonly body: { readonly data: Readonly<Record<string, unknown>> };
}

type Row = Readonly<Record<string, unknown>>;

/** The events written for a payment, oldest first. */
export async function outboxOf(database: TestDatabase, paymentId: unknown): Promise<readonly OutboxRow[]> {
  const rows = await rowsOf(database, ["outbox"], paymentId);
  return rows
    .map((row) => ({ id: String(row["event_id"]), type: String(row["type"]), body: JSON.parse(String(row["body"])) }))
    .sort((left, right) => (left.id < right.id ? -1 : 1));
}

/** Every row of these tables, of one payment when it is named. */
export async function rowsOf(
  database: TestDatabase,
  tables: readonly string[],
  paymentId?: unknown,
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const rows: Row[] = [];
    for (const table of tables) {
      const found =
        paymentId === undefined
          ? await client.query(`select * from ${database.schema}.${table}`)
          : await client.query(`select * from ${database.schema}.${table} where payment_id = $1`, [paymentId]);
      rows.push(...(found.rows as Row[]));
    }
    return rows;
  } finally {
    await client.end();
  }
}

/** Lets the time pass that must pass before a sweep takes what a dead process left pending. */
export async function makePendingDue(database: TestDatabase): Promise<void> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  try {
    await client.query(`update ${database.schema}.payments set due_at = now() where status = 'pending'`);
  } finally {
    await client.end();
  }
}
