import { expect, it } from "vitest";
import { genericErrors, translateError } from "../errors/error-table.ts";
import { createLogger } from "../telemetry/logger.ts";
import { createTestDatabase, type TestDatabase } from "../testing/postgres.ts";
import { setUp } from "../testing/set-up.ts";
import { type Database, openDatabase } from "./open-database.ts";
import { inTransaction, sqlStateOf } from "./transaction.ts";

interface Tables {
  counters: { name: string; value: bigint; ratio?: string; changed_at?: Date };
}

let database: TestDatabase;
let db: Database<Tables>;

setUp(async () => {
  database = await createTestDatabase({
    schema: "counting",
    directory: new URL("./test-migrations/", import.meta.url),
  });
  db = database.open<Tables>();
  return () => database.drop();
});

async function addCounter(name: string): Promise<void> {
  await db.query.insertInto("counters").values({ name, value: 0n }).execute();
}

async function readValue(name: string): Promise<bigint | undefined> {
  const row = await db.query.selectFrom("counters").select("value").where("name", "=", name).executeTakeFirst();
  return row?.value;
}

it("reads a 64-bit integer beyond 2^53 exactly, a numeric as text and a timestamp as Date", async () => {
  await db.query.insertInto("counters").values({ name: "types", value: 9_007_199_254_740_993n }).execute();
  const row = await db.query.selectFrom("counters").selectAll().where("name", "=", "types").executeTakeFirstOrThrow();
  expect(row).toMatchObject({ value: 9_007_199_254_740_993n, ratio: "0.5" });
  expect(row.changed_at).toBeInstanceOf(Date);
});

it("keeps a service's role from changing tables", async () => {
  const attempt = db.pool.query("alter table counters add column extra text");
  await expect(attempt).rejects.toSatisfy((error) => sqlStateOf(error) === "42501");
});

it("runs a transaction again when it lost a serialization race, and loses no update", async () => {
  await addCounter("race");
  const bothRead = Promise.withResolvers<void>();
  let runs = 0;
  const increment = () =>
    inTransaction(
      db,
      async (tx) => {
        const row = await tx
          .selectFrom("counters")
          .select("value")
          .where("name", "=", "race")
          .executeTakeFirstOrThrow();
        runs += 1;
        if (runs === 2) bothRead.resolve();
        await bothRead.promise;
        await tx
          .updateTable("counters")
          .set({ value: row.value + 1n })
          .where("name", "=", "race")
          .execute();
      },
      { isolation: "serializable" },
    );
  await Promise.all([increment(), increment()]);
  expect(await readValue("race")).toBe(2n);
  expect(runs).toBe(3);
});

it("runs a transaction again that a deadlock ended", async () => {
  await addCounter("left");
  await addCounter("right");
  const bothRead = Promise.withResolvers<void>();
  let locked = 0;
  const touch = (first: string, second: string) =>
    inTransaction(db, async (tx) => {
      await tx.updateTable("counters").set({ value: 1n }).where("name", "=", first).execute();
      locked += 1;
      if (locked === 2) bothRead.resolve();
      await bothRead.promise;
      await tx.updateTable("counters").set({ value: 1n }).where("name", "=", second).execute();
    });
  await Promise.all([touch("left", "right"), touch("right", "left")]);
  expect(locked).toBeGreaterThanOrEqual(3);
});

it("gives up after five attempts and passes the conflict on", async () => {
  let runs = 0;
  const attempt = inTransaction(db, async () => {
    runs += 1;
    throw Object.assign(new Error("conflict"), { code: "40001" });
  });
  await expect(attempt).rejects.toThrow("conflict");
  expect(runs).toBe(5);
});

it("rolls back and does not run again when the work fails for any other reason", async () => {
  let runs = 0;
  const attempt = inTransaction(db, async (tx) => {
    runs += 1;
    await tx.insertInto("counters").values({ name: "rolled-back", value: 1n }).execute();
    throw new Error("refused");
  });
  await expect(attempt).rejects.toThrow("refused");
  expect(runs).toBe(1);
  expect(await readValue("rolled-back")).toBeUndefined();
});

it("serves the next query after the server cut every connection", async () => {
  await db.pool.query("select 1");
  await database.cutConnections();
  await expect.poll(() => db.isReady()).toBe(true);
});

it("survives a connection cut between two statements of a transaction, and rejects that transaction", async () => {
  const attempt = inTransaction(db, async (tx) => {
    await tx.insertInto("counters").values({ name: "cut", value: 1n }).execute();
    await database.cutConnections();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await tx.insertInto("counters").values({ name: "cut-too", value: 1n }).execute();
  });
  await expect(attempt).rejects.toThrow();
  expect(await readValue("cut")).toBeUndefined();
});

it("prepares a hot statement once a connection, plans it by index, and runs it beside the other pool", async () => {
  await addCounter("hot");
  const find = { name: "find", text: "select value from counters where name = $1" };
  for (let run = 0; run < 3; run += 1) expect(await db.hot(find, ["hot"])).toEqual([{ value: 0n }]);
  const facts = {
    name: "facts",
    text: `select current_setting('enable_seqscan') as scans, generic_plans as generic
      from pg_prepared_statements where name = 'find'`,
  };
  expect(await db.hot(facts, [])).toEqual([{ scans: "off", generic: 3n }]);
  expect((await db.pool.query("show enable_seqscan")).rows).toEqual([{ enable_seqscan: "on" }]);
});

it("closes a pool that was never used through Kysely, once", async () => {
  const unused = database.open<Tables>();
  await unused.pool.query("select 1");
  await Promise.all([unused.close(), unused.close()]);
  expect(await unused.isReady()).toBe(false);
});

it("ends a statement that exceeds its time", async () => {
  const impatient = database.open<Tables>({ statementTimeoutMs: 50 });
  const attempt = impatient.pool.query("select pg_sleep(5)");
  await expect(attempt).rejects.toSatisfy((error) => sqlStateOf(error) === "57014");
});

it("says it is not ready when nothing listens", async () => {
  const url = "postgres://someone:secret-word@127.0.0.1:1/paymesh";
  const unreachable = openDatabase<Tables>({
    url,
    schema: "counting",
    applicationName: "test",
    log: { warn: () => undefined },
  });
  expect(await unreachable.isReady()).toBe(false);
  await unreachable.close();
});

it("opens no more connections than it may, those of hot statements among them", async () => {
  const small = database.open<Tables>({ poolSizeMax: 6 });
  const held = await Promise.all([
    ...Array.from({ length: 4 }, () => small.pool.connect()),
    ...Array.from({ length: 2 }, () => small.hotPool.connect()),
  ]);
  const more = [small.pool.query("select 1"), small.hot({ name: "one", text: "select 1" }, [])];
  expect([small.pool.waitingCount, small.hotPool.waitingCount]).toEqual([1, 1]);
  for (const client of held) client.release();
  await Promise.all(more);
  expect(small.pool.totalCount + small.hotPool.totalCount).toBe(6);
  await small.close();
});

it("refuses a pool without limit and a schema that is no identifier", () => {
  const options = { url: database.url, schema: "counting", applicationName: "test", log: { warn: () => undefined } };
  expect(() => openDatabase({ ...options, poolSizeMax: 1000 })).toThrow(RangeError);
  expect(() => openDatabase({ ...options, poolSizeMax: 1 })).toThrow(RangeError);
  expect(() => openDatabase({ ...options, schema: "a,public; drop" })).toThrow(RangeError);
});

it("says of a database that is away, restarts, is full or too slow that the same may work in a while, and of no other fault", async () => {
  const nobody = new URL(database.url);
  nobody.host = "127.0.0.1:1";
  const errorOf = async (work: Promise<unknown>) => await work.catch((error: unknown) => error);
  const open = (url: string) => {
    const log = createLogger({ service: "test", level: "silent" });
    return openDatabase<Tables>({ url, schema: "counting", applicationName: "test", statementTimeoutMs: 50, log });
  };
  const [gone, hasty] = [open(nobody.href), open(database.url)];
  const away = [
    await errorOf(gone.pool.query("select 1")),
    await errorOf(hasty.pool.query("select pg_sleep(10)")),
    await errorOf(hasty.pool.query("select pg_terminate_backend(pg_backend_pid())")),
    new Error("timeout exceeded when trying to connect"),
    Object.assign(new Error("sorry, too many clients already"), { code: "53300" }),
  ];
  for (const error of away) {
    expect(translateError(genericErrors, error), String(error)).toMatchObject({ http: 503, error: "unavailable" });
  }
  const ours = [await errorOf(hasty.pool.query("select 1/0")), await errorOf(hasty.pool.query("select nothing"))];
  for (const error of ours) expect(translateError(genericErrors, error).http, String(error)).toBe(500);
  await Promise.all([gone.close(), hasty.close()]);
});
