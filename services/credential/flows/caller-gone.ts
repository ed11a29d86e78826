import type { Caller } from "./dependencies.ts";

const reserveMs = 500;

/** Resolves when a caller's time is nearly up or he has gone: what he started goes on, and he is told so in time. */
export async function callerGone(caller: Caller): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, caller.timeoutMs() - reserveMs));
    timer.unref();
    caller.signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
