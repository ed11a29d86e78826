import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, expect, it } from "vitest";
import type { Database } from "../db/open-database.ts";
import { createTestDatabase, type TestDatabase } from "../testing/postgres.ts";
import { setUp } from "../testing/set-up.ts";
import { sweepWindows } from "./rate-limit-store.ts";
import { createRateLimiter, type RateLimiter } from "./rate-limiter.ts";

const directory = new URL("./test-migrations/", import.meta.url);
let database: TestDatabase;
let db: Database<never>;
let key = 0;

setUp(async () => {
  database = await createTestDatabase({ schema: "limited", directory });
  db = database.open();
  return () => database.drop();
});
beforeEach(() => {
  key += 1;
});

// A window of an hour starts anew once in 3600 s: no test here spans it but by bad luck of a few milliseconds.
function request(change: { limit?: number; windowSeconds?: number; chunk?: number } = {}) {
  return { class: "test", key: `caller-${key}`, limit: 10, windowSeconds: 3600, ...change };
}

async function countAllowed(limiters: RateLimiter[], times: number, change = {}): Promise<number> {
  const results = await Promise.all(
    Array.from({ length: times }, (_, index) => limiters[index % limiters.length]?.take(request(change))),
  );
  return results.filter((result) => result?.allowed).length;
}

it("allows exactly the limit when two replicas take at once", async () => {
  const replicas = [createRateLimiter({ db }), createRateLimiter({ db })];
  expect(await countAllowed(replicas, 50)).toBe(10);
});

it("allows exactly the limit when two replicas lease in chunks that do not divide it", async () => {
  const replicas = [createRateLimiter({ db }), createRateLimiter({ db })];
  expect(await countAllowed(replicas, 40, { chunk: 4 })).toBe(10);
});

it("asks the database once for a chunk of uses", async () => {
  let statements = 0;
  const counted = Object.create(db.pool, {
    query: {
      value: (...parameters: Parameters<typeof db.pool.query>) => {
        statements += 1;
        return db.pool.query(...parameters);
      },
    },
  });
  const limiter = createRateLimiter({ db: { pool: counted } });
  for (let use = 0; use < 100; use += 1) await limiter.take(request({ limit: 100, chunk: 50 }));
  expect(statements).toBe(2);
  for (let use = 0; use < 20; use += 1)
    expect((await limiter.take(request({ limit: 100, chunk: 50 }))).allowed).toBe(false);
  expect(statements).toBe(3);
});

it("says how long to wait, and allows again in the next window", async () => {
  const limiter = createRateLimiter({ db });
  const second = { limit: 1, windowSeconds: 1 };
  await delay(1000 - (Date.now() % 1000) + 20);
  expect(await limiter.take(request(second))).toEqual({ allowed: true, retryAfterSeconds: 0 });
  expect(await limiter.take(request(second))).toEqual({ allowed: false, retryAfterSeconds: 1 });
  await delay(1020);
  expect((await limiter.take(request(second))).allowed).toBe(true);
});

it("counts callers and classes apart", async () => {
  const limiter = createRateLimiter({ db });
  expect((await limiter.take(request({ limit: 1 }))).allowed).toBe(true);
  expect((await limiter.take({ ...request({ limit: 1 }), class: "other" })).allowed).toBe(true);
  expect((await limiter.take({ ...request({ limit: 1 }), key: "someone-else" })).allowed).toBe(true);
  expect((await limiter.take(request({ limit: 1 }))).allowed).toBe(false);
});

it("rejects when the database is gone, and works again when it is back", async () => {
  const own = database.open<never>();
  const limiter = createRateLimiter({ db: own });
  await limiter.take(request());
  await database.cutConnections();
  await expect
    .poll(() =>
      limiter.take(request()).then(
        (result) => result.allowed,
        () => false,
      ),
    )
    .toBe(true);
  const closed = database.open<never>();
  await closed.close();
  await expect(createRateLimiter({ db: closed }).take(request())).rejects.toThrow();
});

it("sweeps windows that have ended and keeps the others", async () => {
  await db.pool.query("truncate rate_limit_windows").catch(() => db.pool.query("delete from rate_limit_windows"));
  const insert = "insert into rate_limit_windows values ('swept', $1, now() - $2::interval, now() - $3::interval, 1)";
  await db.pool.query(insert, [Buffer.from("old"), "2 hours", "1 hour"]);
  await db.pool.query(insert, [Buffer.from("current"), "1 minute", "-1 minute"]);
  expect(await sweepWindows(db.pool)).toBe(1);
  const { rows } = await db.pool.query("select key_hash from rate_limit_windows");
  expect(rows).toEqual([{ key_hash: Buffer.from("current") }]);
});

it("refuses a limit, window or chunk that is not a positive integer", async () => {
  const limiter = createRateLimiter({ db });
  for (const change of [{ limit: 0 }, { windowSeconds: 0.5 }, { chunk: -1 }]) {
    await expect(limiter.take(request(change))).rejects.toThrow(RangeError);
  }
});

it("exports the table that these tests ran on", async () => {
  const exported = await readFile(new URL("./rate-limit-tables.sql", import.meta.url), "utf8");
  expect(await readFile(new URL("0001_rate_limits.sql", directory), "utf8")).toBe(exported);
});
