import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { BatcherFullError, createBatcher } from "./batcher.ts";

/** A batcher over a flush that answers each row with its double, and keeps the batches it was given. */
function doubling(
  options: { rowsMax?: number; waitingMax?: number; flush?: (rows: readonly number[]) => Promise<void> } = {},
) {
  const batches: (readonly number[])[] = [];
  const batcher = createBatcher<number, number>({
    flush: async (rows) => {
      batches.push(rows);
      await (options.flush ?? (() => sleep(5)))(rows);
      return rows.map((row) => row * 2);
    },
    rowsMax: options.rowsMax ?? 100,
    flightsMax: 1,
    waitingMax: options.waitingMax ?? 1_000,
    isRowFault: (error) => error instanceof RangeError,
  });
  return { batcher, batches };
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe("createBatcher", () => {
  it("writes a lone row at once and gathers those that come while it is written", async () => {
    const written = Promise.withResolvers<void>();
    const { batcher, batches } = doubling({ flush: () => written.promise });
    const first = batcher.add(1);
    await sleep(2);
    const rest = [2, 3, 4].map((row) => batcher.add(row));
    written.resolve();
    expect(await Promise.all([first, ...rest])).toEqual([2, 4, 6, 8]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  it("keeps to the rows of one statement and to every caller's own result", async () => {
    const { batcher, batches } = doubling({ rowsMax: 7 });
    const results = await Promise.all(numbers(50).map((row) => batcher.add(row)));
    expect(results).toEqual(numbers(50).map((row) => row * 2));
    expect(Math.max(...batches.map((batch) => batch.length))).toBe(7);
  });

  it("refuses a row beyond the waiting room and takes the next when there is room again", async () => {
    const { batcher } = doubling({ waitingMax: 3 });
    const waiting = numbers(3).map((row) => batcher.add(row));
    await expect(batcher.add(9)).rejects.toBeInstanceOf(BatcherFullError);
    await Promise.all(waiting);
    expect(await batcher.add(4)).toBe(8);
  });

  it("writes rows one by one when one of them is at fault, and fails that one alone", async () => {
    const flush = async (rows: readonly number[]) => {
      if (rows.includes(3)) throw new RangeError("three");
    };
    const { batcher } = doubling({ flush });
    const results = await Promise.allSettled(numbers(6).map((row) => batcher.add(row)));
    expect(results.map((result) => result.status === "fulfilled")).toEqual([true, true, true, false, true, true]);
  });

  it("fails every row of a statement that failed as a whole, and none after it", async () => {
    let broken = true;
    const flush = async () => {
      if (broken) throw new Error("connection lost");
    };
    const { batcher, batches } = doubling({ flush });
    const results = await Promise.allSettled(numbers(4).map((row) => batcher.add(row)));
    expect(results.every((result) => result.status === "rejected")).toBe(true);
    expect(batches).toHaveLength(1);
    broken = false;
    expect(await batcher.add(1)).toBe(2);
  });
});
