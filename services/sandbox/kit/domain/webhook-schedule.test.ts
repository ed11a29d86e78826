import fc from "fast-check";
import { expect, it } from "vitest";
import { nextAttempt, pauseAfter } from "./webhook-schedule.ts";

const minuteMs = 60_000;
const schedule = { factor: 2, pauseMaxMs: 15 * minuteMs, jitterShare: 0.2, lifetimeMs: 72 * 60 * minuteMs };

it("pauses longer with each attempt, within the first and the longest pause and their jitter", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, random) => {
      const pause = pauseAfter(schedule, attempts, 1_000, random);
      expect(pause).toBeGreaterThanOrEqual(800);
      expect(pause).toBeLessThanOrEqual(18 * minuteMs);
      expect(pauseAfter(schedule, attempts + 1, 1_000, random)).toBeGreaterThanOrEqual(pause);
    }),
  );
});

it("takes listed pauses one by one, scaled by the first, and then gives up", () => {
  const listed = { pausesMs: [5_000, 300_000, 1_800_000] };
  const at = new Date("2026-11-26T00:00:00.000Z");
  const after = (attempts: number, firstPauseMs: number) =>
    nextAttempt(listed, { attempts, firstPauseMs, createdAt: at, now: at, random: 0.5 })?.toISOString();
  expect(after(1, 5_000)).toBe("2026-11-26T00:00:05.000Z");
  expect(after(3, 5_000)).toBe("2026-11-26T00:30:00.000Z");
  expect(after(2, 50)).toBe("2026-11-26T00:00:03.000Z");
  expect(after(4, 5_000)).toBeUndefined();
});
