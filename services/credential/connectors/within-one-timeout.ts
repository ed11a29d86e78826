import type { ProviderCall } from "./connector.ts";

/** Several requests within the time of one: each call gives the next request what is left of it, 1 ms at least. */
export function withinOneTimeout(call: ProviderCall): () => ProviderCall {
  const startedMs = performance.now();
  return () => ({ ...call, timeoutMs: Math.max(1, Math.floor(call.timeoutMs - (performance.now() - startedMs))) });
}

const goodToKnowMs = 3_000;

/** The limits of a call whose answer is good to have, while somebody waits for something else. */
export function shorter(call: ProviderCall): ProviderCall {
  return { ...call, timeoutMs: Math.min(call.timeoutMs, goodToKnowMs) };
}
