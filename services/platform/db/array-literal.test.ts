import fc from "fast-check";
import type pg from "pg";
import { expect, it } from "vitest";
import { createTestDatabase } from "../testing/postgres.ts";
import { setUp } from "../testing/set-up.ts";
import { type ArrayElement, arrayLiteral } from "./array-literal.ts";

let pool: pg.Pool;

setUp(async () => {
  const directory = new URL("./test-migrations/", import.meta.url);
  const database = await createTestDatabase({ schema: "arrays", directory });
  pool = database.open().hotPool;
  return () => database.drop();
});

async function readBack(values: readonly ArrayElement[], type: string): Promise<unknown[]> {
  const { rows } = await pool.query<{ element: unknown }>({
    text: `select element from unnest($1::${type}[]) with ordinality as u(element, place) order by place`,
    values: [arrayLiteral(values)],
  });
  return rows.map((row) => row.element);
}

it("gives PostgreSQL any text as it is, whatever means something in an array", async () => {
  const told = ["", "NULL", "null", "a,b", "{x}", '"', "\\", '\\"', "a\\\\b", " lead", "é 🦊", "a\nb\tc", "'"];
  expect(await readBack([...told, null, undefined], "text")).toEqual([...told, null, null]);
  const text = fc.string({ unit: fc.oneof(fc.constantFrom('"', "\\", ",", "{", "}", "'", " "), fc.string()) });
  // A null character is what no text of PostgreSQL can hold.
  const texts = fc.array(fc.option(text.map((value) => value.replaceAll("\u0000", ""))), {
    minLength: 1,
    maxLength: 50,
  });
  await fc.assert(
    fc.asyncProperty(texts, async (values) => {
      expect(await readBack(values, "text")).toEqual(values);
    }),
    { numRuns: 50 },
  );
});

it("gives numbers, instants, bytes and nulls as they are", async () => {
  const big = [9_223_372_036_854_775_807n, -1n, null];
  expect(await readBack(big, "bigint")).toEqual(big);
  expect(await readBack([0, -7, 2_147_483_647], "int")).toEqual([0, -7, 2_147_483_647]);
  expect(await readBack([true, false], "boolean")).toEqual([true, false]);
  const instants = [new Date("2026-02-28T23:59:59.999Z"), new Date(0), null];
  expect(await readBack(instants, "timestamptz")).toEqual(instants);
  const bytes = [Buffer.alloc(0), Buffer.from([0, 34, 92, 255]), new Uint8Array([1, 2, 3]).subarray(1)];
  expect(await readBack(bytes, "bytea")).toEqual(bytes.map((each) => Buffer.from(each)));
  expect(await readBack([], "text")).toEqual([]);
});
