import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { readShared } from "./shared-snapshot.ts";
import type { Queryable } from "./storage.ts";
import type { Tables } from "./tables.ts";

let database: TestDatabase;
let replicas: readonly Queryable[];
let name: string;
let counted: number;

beforeAll(async () => {
  const directory = new URL("./migrations/", import.meta.url);
  database = await createTestDatabase({ schema: "credential", directory });
  replicas = [database.open<Tables>().query, database.open<Tables>().query];
});
afterAll(() => database.drop());
beforeEach(() => {
  name = `counts ${crypto.randomUUID()}`;
  counted = 0;
});

/** What a replica is told; each counting gives the next number. */
async function told(
  replica = 0,
  options: { slowMs?: number; until?: Promise<void>; fails?: boolean; shape?: z.ZodType<object> } = {},
) {
  const db = replicas[replica];
  if (db === undefined) throw new Error("no replica");
  const count = async () => {
    counted += 1;
    const mine = counted;
    if (options.slowMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.slowMs));
    await options.until;
    if (options.fails) throw new Error("counting failed");
    return { mine };
  };
  const shape = options.shape ?? z.object({ mine: z.number() });
  return (await readShared<object>(db, { name, maxAgeMs: 10_000, shape, now: new Date(), count })).numbers;
}

async function age(seconds: number): Promise<void> {
  const [db] = replicas;
  if (db === undefined) throw new Error("no replica");
  await sql`update statistics_snapshots set taken_at = taken_at - make_interval(secs => ${seconds}) where name = ${name}`.execute(
    db,
  );
}

const leaseOf = (seconds: number) =>
  replicas[0]
    ?.updateTable("statistics_snapshots")
    .set({ lease_until: new Date(Date.now() + seconds * 1_000) })
    .where("name", "=", name)
    .execute();

it("is counted once for all replicas that ask at once, the first time too", async () => {
  const all = await Promise.all([0, 1, 0, 1, 1].map((replica) => told(replica, { slowMs: 150 })));
  expect(all).toEqual(Array.from({ length: 5 }, () => ({ mine: 1 })));
  expect([await told(1), counted]).toEqual([{ mine: 1 }, 1]);
});

it("is counted anew when it is too old, by one, while others are told the older numbers", async () => {
  await told();
  await age(11);
  const done = Promise.withResolvers<void>();
  const counting = told(0, { until: done.promise });
  await expect.poll(() => counted).toBe(2);
  expect(await Promise.all([told(1), told(1)])).toEqual([{ mine: 1 }, { mine: 1 }]);
  done.resolve();
  expect(await counting).toEqual({ mine: 2 });
  expect(counted).toBe(2);
});

it("is counted by another when a replica died over it, or failed", async () => {
  await told();
  await age(11);
  await leaseOf(30);
  expect(await told(1)).toEqual({ mine: 1 });
  await leaseOf(-1);
  await expect(told(0, { fails: true })).rejects.toThrow("counting failed");
  expect(await told(1)).toEqual({ mine: 3 });
});

it("rests sixty times as long as counting took", async () => {
  await told(0, { slowMs: 300 });
  await age(12);
  expect(await told(1)).toEqual({ mine: 1 });
  // Counting may have taken longer than it was told to.
  await age(600);
  expect(await told(1)).toEqual({ mine: 2 });
});

it("of another release is counted anew", async () => {
  await told();
  expect(await told(0, { shape: z.object({ mine: z.number().min(2) }) })).toEqual({ mine: 2 });
});
