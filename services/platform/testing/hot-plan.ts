import type pg from "pg";
import { withArrayLiterals } from "../db/array-literal.ts";
import type { HotStatement } from "../db/hot-statements.ts";

/** Above these, a table's rows are no longer read all together by chance: none, a handful, a page, several pages, many. */
export const tableSizes = [0, 3, 12, 60, 250, 4_000] as const;

/** The generic plan of a hot statement, as a connection of hot statements makes it now. `client` comes from the hot pool. */
export async function hotPlanOf(
  client: pg.PoolClient,
  statement: HotStatement,
  values: readonly unknown[],
): Promise<string> {
  const texts = withArrayLiterals(values).map((value) => {
    if (value === null || value === undefined) return "NULL";
    return client.escapeLiteral(value instanceof Date ? value.toISOString() : String(value));
  });
  try {
    await client.query("begin");
    await client.query(`prepare asked as ${statement.text}`);
    const { rows } = await client.query<{ "QUERY PLAN": string }>(
      `explain (costs off) execute asked(${texts.join(", ")})`,
    );
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  } finally {
    await client.query("rollback");
    await client.query("deallocate all");
  }
}
