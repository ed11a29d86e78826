const refusedRetryMs = 30_000;
const refusedRetryMsMax = 600_000;
const unavailableRetryMs = 1_000;
const unavailableRetryMsMax = 60_000;

/**
 * How many refused logins in a row are risked, where a provider locks its partner after `failuresMax`. With the same credentials it
 * stays two short of that; other credentials get one more, and the last one is never spent.
 */
export function mintsAllowed(failuresMax: number): { refusalsMax: number; refusalsInAllMax: number } {
  if (!Number.isInteger(failuresMax) || failuresMax < 3) throw new RangeError("failuresMax must be 3 or more");
  return { refusalsMax: failuresMax - 2, refusalsInAllMax: failuresMax - 1 };
}

/** How long to wait after the given number of failed mints in a row, 1 or more: long when the provider said no, short when it was away. */
export function mintRetryMs(tries: number, wasLogin: boolean): number {
  const [firstMs, mostMs] = wasLogin
    ? [refusedRetryMs, refusedRetryMsMax]
    : [unavailableRetryMs, unavailableRetryMsMax];
  return Math.min(firstMs * 2 ** Math.min(tries - 1, 20), mostMs);
}
