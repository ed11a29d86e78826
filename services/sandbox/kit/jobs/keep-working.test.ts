import fastify from "fastify";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { keepWorking } from "./keep-working.ts";

beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => vi.useRealTimers());

/** A sandbox with one job; `runsIn` lets time pass and counts its runs. */
async function start(work: () => Promise<unknown> = async () => 0) {
  let runs = 0;
  const server = fastify();
  server.get("/health", async () => "");
  server.get("/call", async () => "");
  const job = { label: "job", intervalMs: 250, work: () => work().finally(() => (runs += 1)) };
  const jobs = keepWorking([job], { server, log: { error: () => undefined } });
  await server.ready();
  const runsIn = async (ms: number) => {
    const before = runs;
    await vi.advanceTimersByTimeAsync(ms);
    return runs - before;
  };
  const runsAt = async (url: string) => {
    const before = runs;
    await server.inject(url);
    // What follows an answer has happened by then.
    await new Promise(setImmediate);
    return runs - before;
  };
  return { runsAt, jobs, runsIn };
}

it("works at its own interval while it is used, seldom when it is not, and at once at the next call", async () => {
  const { runsAt, jobs, runsIn } = await start();
  expect(await runsIn(25_000)).toBeGreaterThan(80);
  await runsIn(10_000);
  expect(await runsIn(60_000)).toBeLessThan(15);
  expect(await runsAt("/health")).toBe(0);
  expect(await runsIn(20_000)).toBeLessThan(6);
  expect(await runsAt("/call")).toBe(1);
  expect(await runsIn(25_000)).toBeGreaterThan(80);
  await jobs.stop();
});

it("goes on at its own interval as long as there is something to do", async () => {
  let due = 300;
  const { jobs, runsIn } = await start(async () => (due > 0 ? due-- : 0));
  expect(await runsIn(60_000)).toBeGreaterThan(200);
  await runsIn(60_000);
  expect(await runsIn(60_000)).toBeLessThan(15);
  await jobs.stop();
});
