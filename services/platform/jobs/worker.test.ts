import pino from "pino";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Database } from "../db/open-database.ts";
import { inTransaction } from "../db/transaction.ts";
import { createTestDatabase, type TestDatabase } from "../testing/postgres.ts";
import { every } from "./every.ts";
import { migrateJobs } from "./migrate-jobs.ts";
import { addJob, startJobs, type Task } from "./worker.ts";

const log = pino({ level: "silent" });
let database: TestDatabase;
let db: Database<Record<string, never>>;

beforeAll(async () => {
  database = await createTestDatabase({
    schema: "working",
    directory: new URL("../db/test-migrations/", import.meta.url),
    jobs: true,
  });
  db = database.open();
});
afterAll(() => database.drop());

function start(tasks: Record<string, Task>) {
  return startJobs({ url: database.url, schema: database.schema, tasks, log });
}

it("runs a job of a committed transaction with the service's own role, and none of one rolled back", async () => {
  const seen: unknown[] = [];
  const worker = await start({ greet: async (payload) => void seen.push(payload) });
  await inTransaction(db, async (tx) => {
    await addJob(tx, "greet", { name: "lost" });
    throw new Error("changed my mind");
  }).catch(() => undefined);
  await inTransaction(db, (tx) => addJob(tx, "greet", { name: "kept" }));
  await expect.poll(() => seen).toEqual([{ name: "kept" }]);
  await worker.stop();
});

it("keeps one waiting job for a job key", async () => {
  const seen: unknown[] = [];
  const task = "keyed";
  await inTransaction(db, (tx) => addJob(tx, task, 1, { jobKey: "one" }));
  await inTransaction(db, (tx) => addJob(tx, task, 2, { jobKey: "one" }));
  const worker = await start({ [task]: async (payload) => void seen.push(payload) });
  await expect.poll(() => seen).toEqual([2]);
  await worker.stop();
});

it("tries a failed job again, and shares jobs between two replicas", async () => {
  const attempts: number[] = [];
  const done: unknown[] = [];
  const tasks: Record<string, Task> = {
    flaky: async (_, context) => {
      attempts.push(context.attempt);
      if (context.attempt === 1) throw new Error("not yet");
    },
    shared: async (payload) => void done.push(payload),
  };
  const workers = await Promise.all([start(tasks), start(tasks)]);
  await inTransaction(db, async (tx) => {
    await addJob(tx, "flaky", {}, { maxAttempts: 3 });
    for (let number = 0; number < 20; number += 1) await addJob(tx, "shared", number);
  });
  await expect.poll(() => done.length).toBe(20);
  expect(new Set(done).size).toBe(20);
  await expect.poll(() => attempts).toEqual([1, 2]);
  await Promise.all(workers.map((worker) => worker.stop()));
});

it("aborts the signal of running jobs and waits for them when stopped", async () => {
  const started = Promise.withResolvers<void>();
  let finished = false;
  const worker = await start({
    long: async (_, { signal }) => {
      started.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      finished = true;
    },
  });
  await inTransaction(db, (tx) => addJob(tx, "long", {}));
  await started.promise;
  await worker.stop();
  expect(finished).toBe(true);
  await expect(worker.stop()).resolves.toBeUndefined();
});

it("makes the queue once when two migrations run at once, and again without harm", async () => {
  const options = { url: database.adminUrl, schema: "twice", role: `${database.schema}_service` };
  await Promise.all([migrateJobs(options), migrateJobs(options)]);
  await migrateJobs(options);
});

it("repeats work after failures, never overlapping, until stopped", async () => {
  let running = 0;
  let runs = 0;
  const error = vi.fn();
  const loop = every({
    label: "sweep",
    intervalMs: 1,
    log: { error },
    work: async () => {
      running += 1;
      expect(running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running -= 1;
      runs += 1;
      if (runs === 1) throw new Error("first run fails");
    },
  });
  await expect.poll(() => runs).toBeGreaterThan(3);
  await loop.stop();
  const after = runs;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(runs).toBe(after);
  expect(error).toHaveBeenCalledTimes(1);
});
