import type { LoadResult } from "./http-load.ts";

/** How calls are made. */
export interface CallLoadOptions {
  /** Calls in flight. */
  readonly concurrency: number;
  readonly durationMs: number;
  /** Makes one call; what was wrong with its answer, if anything. `"ended"`: there is nothing more to send. */
  call(): Promise<string | undefined>;
}

/** What `call` answers when there is nothing more to send. */
export const callsEnded = "ended";

/** Makes calls, each caller its next one as soon as the last is answered. Rejects when a call does. */
export async function runCalls(options: CallLoadOptions): Promise<LoadResult> {
  const latencies: number[] = [];
  let wrong = 0;
  let firstWrong: string | undefined;
  const startedAt = performance.now();
  const drive = async (): Promise<void> => {
    while (performance.now() - startedAt < options.durationMs) {
      const sentAt = performance.now();
      const fault = await options.call();
      if (fault === callsEnded) return;
      latencies.push(performance.now() - sentAt);
      if (fault === undefined) continue;
      wrong += 1;
      firstWrong ??= fault;
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, drive));
  const seconds = (performance.now() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { count: latencies.length, wrong, firstWrong, seconds, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
