import { type LoadResult, latencyShares } from "./http-load.ts";

/** How calls are made. */
export interface CallLoadOptions {
  /** Calls in flight. */
  readonly concurrency: number;
  readonly durationMs: number;
  /** Makes one call and resolves with what was wrong with its answer, if anything; undefined when there is nothing more to send. */
  call(): Promise<string | undefined> | undefined;
}

/** Makes calls, each caller its next one as soon as the last is answered. Rejects when a call does. */
export async function runCalls(options: CallLoadOptions): Promise<LoadResult> {
  const latencies: number[] = [];
  let wrong = 0;
  let firstWrong: string | undefined;
  const startedAt = performance.now();
  const drive = async (): Promise<void> => {
    while (performance.now() - startedAt < options.durationMs) {
      const sentAt = performance.now();
      const called = options.call();
      if (called === undefined) return;
      const fault = await called;
      latencies.push(performance.now() - sentAt);
      if (fault === undefined) continue;
      wrong += 1;
      firstWrong ??= fault;
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, drive));
  const seconds = (performance.now() - startedAt) / 1000;
  return { count: latencies.length, wrong, firstWrong, seconds, ...latencyShares(latencies) };
}
