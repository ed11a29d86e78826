import type pg from "pg";
import { expect, it } from "vitest";
import { hotPlanOf, tableSizes } from "../../platform/testing/hot-plan.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { readSql, writeSql } from "./authorization-sql.ts";

const id = "018f0000-0000-7000-8000-000000000001";
let database: TestDatabase;
let admin: pg.Client;

setUp(async () => {
  database = await createTestDatabase({ schema: "bank", directory: new URL("./migrations/", import.meta.url) });
  admin = await database.openAdmin();
  await admin.query(
    `insert into customers (id, fi_user_ref, email, password_hash, display_name) values ($1, 'ref', 'a@example.com', 'none', 'A')`,
    [id],
  );
  return () => database.drop();
});

async function grow(from: number, to: number): Promise<void> {
  await admin.query(
    `with made as (
       insert into cards (id, customer_id, brand, last_four, holder, expiry_month, expiry_year, credit_limit_minor)
       select gen_random_uuid(), $1, 'VISA', '0001', 'A', 12, 2099, 100 from generate_series($2::int, $3::int) returning id
     )
     insert into card_tokens (token_ref, kind, card_id, customer_id, merchant_id, amount_minor, currency, expires_at)
     select 'ref-' || id, 'wallet', id, $1, 'm', 1, 'CAD', now() from made`,
    [id, from + 1, to],
  );
  for (const table of to > 0 ? ["cards", "card_tokens"] : []) await admin.query(`analyze ${table}`);
}

/** Looks at the plans as the tables grow, on one connection, which keeps the plans it once made. */
async function expectPlans(client: pg.PoolClient): Promise<void> {
  const now = new Date();
  const seen = `(0,1) 7 ref`;
  const none = Array.from({ length: 14 }, (): string[] => []);
  let rows = 0;
  for (const size of tableSizes) {
    await grow(rows, size);
    rows = size;
    const read = await hotPlanOf(client, readSql, [["a", "b"], now, ["key"]]);
    const byKey = (table: string, key: string) =>
      new RegExp(`using ${table}_pkey on ${table}\\n\\s+Index Cond: \\(${key} >= `);
    expect(read, `${size} rows`).toMatch(byKey("card_tokens", "token_ref"));
    expect(read, `${size} rows`).toMatch(byKey("cards", "id"));
    const spent = [[seen], ["m"], [1], ["CAD"]];
    const held = [[seen], [1], [0]];
    const write = await hotPlanOf(client, writeSql, [...none, now, now, ...spent, ...held, 0]);
    for (const place of ["card_tokens t", "cards c"]) {
      expect(write, `${size} rows`).toMatch(new RegExp(`Tid Scan on ${place}\\n\\s+TID Cond`));
    }
    expect(`${read}${write}`.match(/Scan .*on (cards|card_tokens)\b/g)?.length, `${size} rows`).toBe(5);
  }
}

it("finds tokens and cards by their keys and changes them in their places, however small the tables were when the plan was made", async () => {
  const client = await database.open().hotPool.connect();
  // A connection that is not given back would keep the database from being closed.
  await expectPlans(client).finally(() => client.release());
});
