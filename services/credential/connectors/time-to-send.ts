import type { ProviderCall } from "./connector.ts";
import { ProviderError } from "./provider-error.ts";

/** The `detail` of the error where no time was left: our own slowness says nothing of the provider. */
export const noTimeLeft = "no time left";

/**
 * A call with the time that it has for a request now: the last look before it leaves. Throws `ProviderError` "rate_limited" when the right to
 * ask is over: a process that stood still is not to ask beside who has it now.
 */
export function timeToSend<Call extends ProviderCall>(call: Call): Call {
  if (call.endsAtMs === undefined) return call;
  const leftMs = call.endsAtMs - performance.now();
  if (leftMs <= 0) throw new ProviderError("rate_limited", { detail: noTimeLeft });
  return { ...call, timeoutMs: Math.min(call.timeoutMs, leftMs) };
}
