import type { ProviderCall } from "./connector.ts";

/** Several requests within the time of one: each call gives the next request what is left of it, 1 ms at least. */
export function withinOneTimeout(call: ProviderCall): () => ProviderCall {
  const startedMs = performance.now();
  return () => ({ ...call, timeoutMs: Math.max(1, Math.floor(call.timeoutMs - (performance.now() - startedMs))) });
}
