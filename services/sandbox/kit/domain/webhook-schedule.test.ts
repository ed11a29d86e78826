import fc from "fast-check";
import { expect, it } from "vitest";
import { pauseAfter } from "./webhook-schedule.ts";

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
