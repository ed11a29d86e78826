import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { needsRefresh, refreshDueAt, retryAt } from "./refresh-schedule.ts";

const now = new Date("2026-01-01T00:00:00Z");
const inMs = (ms: number) => new Date(now.getTime() + ms);
const hour = 3_600_000;
const day = 24 * hour;
const base = { now, storedAt: now, credentialExpiresAt: undefined, hasRefreshToken: true };

describe("refreshDueAt", () => {
  it("is at 80 % of a short life and 12 hours before the end of a long one", () => {
    expect(refreshDueAt({ ...base, accessTokenExpiresAt: inMs(hour) })).toEqual(inMs(0.8 * hour));
    expect(refreshDueAt({ ...base, accessTokenExpiresAt: inMs(60 * hour) })).toEqual(inMs(48 * hour));
    expect(refreshDueAt({ ...base, accessTokenExpiresAt: inMs(30 * day) })).toEqual(inMs(30 * day - 12 * hour));
  });

  it("is never after the token's end nor before it was stored", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 * day }), (life) => {
        const due = refreshDueAt({ ...base, accessTokenExpiresAt: inMs(life) })?.getTime() ?? Number.NaN;
        expect(due).toBeLessThanOrEqual(now.getTime() + life);
        expect(due).toBeGreaterThanOrEqual(now.getTime());
      }),
    );
  });

  it("is earlier when the credential comes up for renewal first", () => {
    const facts = { ...base, accessTokenExpiresAt: inMs(200 * day), credentialExpiresAt: inMs(90 * day) };
    expect(refreshDueAt(facts)).toEqual(inMs(61 * day));
  });

  it("asks again a day later when the bank kept a credential that is close to its end", () => {
    const facts = { ...base, accessTokenExpiresAt: inMs(200 * day), credentialExpiresAt: inMs(10 * day) };
    expect(refreshDueAt(facts)).toEqual(inMs(day));
  });

  it("is never without a refresh token, nor without an end", () => {
    expect(refreshDueAt({ ...base, accessTokenExpiresAt: inMs(hour), hasRefreshToken: false })).toBeUndefined();
    expect(refreshDueAt({ ...base, accessTokenExpiresAt: undefined })).toBeUndefined();
  });
});

describe("retryAt", () => {
  it("waits five seconds, doubled each time, at most an hour", () => {
    expect([1, 2, 3, 10, 11, 1000].map((failures) => retryAt(now, failures).getTime() - now.getTime())).toEqual([
      5_000,
      10_000,
      20_000,
      2_560_000,
      hour,
      hour,
    ]);
  });

  it("waits as long as it was asked to, where that is longer, and never less", () => {
    const waits = [0, 1_000, 20_000, 120_000].map((askedMs) => retryAt(now, 3, askedMs).getTime() - now.getTime());
    expect(waits).toEqual([20_000, 20_000, 20_000, 120_000]);
  });
});

describe("needsRefresh", () => {
  it("refreshes a token with thirty seconds or less, and never one without an end", () => {
    expect(needsRefresh(inMs(30_000), now)).toBe(true);
    expect(needsRefresh(inMs(30_001), now)).toBe(false);
    expect(needsRefresh(undefined, now)).toBe(false);
  });
});
