import { setTimeout as pause } from "node:timers/promises";
import type { ProviderCall } from "./connector.ts";
import type { ProviderLimits } from "./connector-module.ts";
import { ProviderError } from "./provider-error.ts";
import type { ProviderHttp } from "./provider-http.ts";

/**
 * Holds one provider's requests of this process under its limits. Who has to wait, waits within his own time limit, and the request gets
 * what is left of it; without a turn by then it fails as `unavailable`, and nothing was sent.
 */
export function limitProviderHttp(http: ProviderHttp, limits: ProviderLimits): ProviderHttp {
  const bucket = createBucket(limits.requestsPerSecondMax);
  let underWay = 0;
  const waiting: (() => void)[] = [];

  const takeSlot = async (signal: AbortSignal): Promise<void> => {
    if (underWay < limits.concurrencyMax) {
      underWay += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onTurn = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        waiting.splice(waiting.indexOf(onTurn), 1);
        reject(signal.reason);
      };
      waiting.push(onTurn);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  };
  const giveSlot = (): void => {
    const next = waiting.shift();
    if (next === undefined) underWay -= 1;
    else next();
  };

  return {
    send: async (outgoing, call) => {
      const startedMs = performance.now();
      const signal = waitSignal(call);
      await takeSlot(signal).catch(tooBusy);
      try {
        await pause(bucket.waitMs(performance.now()), undefined, { signal }).catch(tooBusy);
        const left = call.timeoutMs - (performance.now() - startedMs);
        return await http.send(outgoing, { ...call, timeoutMs: Math.max(1, Math.floor(left)) });
      } finally {
        giveSlot();
      }
    },
    close: () => http.close(),
  };
}

function waitSignal(call: ProviderCall): AbortSignal {
  const timeout = AbortSignal.timeout(Math.max(1, call.timeoutMs));
  return call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal]);
}

function tooBusy(): never {
  throw new ProviderError("unavailable", { detail: "too many requests under way here" });
}

/** A token bucket of one second's size: `waitMs` takes a token and says how long its owner has to wait for it. */
function createBucket(perSecond: number): { waitMs(nowMs: number): number } {
  let tokens = perSecond;
  let filledMs = 0;
  return {
    waitMs: (nowMs) => {
      tokens = Math.min(perSecond, tokens + ((nowMs - filledMs) * perSecond) / 1000);
      filledMs = nowMs;
      tokens -= 1;
      return tokens >= 0 ? 0 : (-tokens * 1000) / perSecond;
    },
  };
}
