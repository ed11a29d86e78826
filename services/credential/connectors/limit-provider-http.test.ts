import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { limitProviderHttp } from "./limit-provider-http.ts";
import type { ProviderHttp } from "./provider-http.ts";

const get = { url: "http://127.0.0.1/", method: "GET" } as const;
const call = (timeoutMs: number) => ({ now: new Date(), timeoutMs });

/** A provider that takes its time, and counts. */
function slowProvider(delayMs: number): { http: ProviderHttp; seen: { most: number; timeouts: number[] } } {
  const seen = { most: 0, timeouts: [] as number[] };
  let underWay = 0;
  const http: ProviderHttp = {
    send: async (_request, { timeoutMs }) => {
      underWay += 1;
      seen.most = Math.max(seen.most, underWay);
      seen.timeouts.push(timeoutMs);
      await pause(delayMs);
      underWay -= 1;
      return { status: 200, contentType: "", headers: {}, text: "" };
    },
    close: async () => undefined,
  };
  return { http, seen };
}

describe("the limits of a provider", () => {
  it("let no more requests run at once than allowed, and each in its turn", async () => {
    const { http, seen } = slowProvider(20);
    const limited = limitProviderHttp(http, { concurrencyMax: 2, requestsPerSecondMax: 1_000 });
    await Promise.all(Array.from({ length: 7 }, () => limited.send(get, call(20_000))));
    expect(seen.most).toBe(2);
    expect(seen.timeouts).toHaveLength(7);
    // What the waiting took is not given a second time.
    expect(seen.timeouts.at(-1)).toBeLessThan(19_960);
  });

  it("spread a burst over time", async () => {
    const { http } = slowProvider(0);
    const limited = limitProviderHttp(http, { concurrencyMax: 100, requestsPerSecondMax: 50 });
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: 60 }, () => limited.send(get, call(20_000))));
    expect(performance.now() - startedMs).toBeGreaterThan(150);
  });

  it("fail a request without a turn in time, unsent, and lose no slot by it", async () => {
    const { http, seen } = slowProvider(100);
    const limited = limitProviderHttp(http, { concurrencyMax: 1, requestsPerSecondMax: 1_000 });
    const first = limited.send(get, call(1_000));
    await expect(limited.send(get, call(20))).rejects.toMatchObject({ failure: "unavailable" });
    await first;
    await limited.send(get, call(1_000));
    expect(seen.timeouts).toHaveLength(2);
  });
});
