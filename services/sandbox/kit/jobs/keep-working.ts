import type { FastifyInstance } from "fastify";
import { type EveryOptions, every } from "../../../platform/jobs/every.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";

const quietAfterMs = 30_000;
const quietIntervalMs = 5_000;

/** Work of a sandbox that comes back. */
export interface SandboxJob extends Omit<EveryOptions, "log" | "intervalMs"> {
  readonly intervalMs: number;
}

/**
 * Does the recurring work of a sandbox. While it is used, by calls or by work that found something to do and says how much, each job
 * comes at its own interval; once half a minute has passed without either, no more often than every five seconds, until the next call
 * has been answered: a machine full of sandboxes that nobody uses has the rest of its time for others.
 */
export function keepWorking(
  jobs: readonly SandboxJob[],
  parts: { readonly server: Pick<FastifyInstance, "addHook">; readonly log: Pick<Logger, "error"> },
): { stop(): Promise<void> } {
  let usedAtMs = performance.now();
  const isQuiet = () => performance.now() - usedAtMs > quietAfterMs;
  const running = jobs.map(({ intervalMs, work, label }) =>
    every({
      label,
      log: parts.log,
      intervalMs: () => (isQuiet() ? Math.max(intervalMs, quietIntervalMs) : intervalMs),
      work: async (signal) => {
        const done = await work(signal);
        if (typeof done === "number" && done > 0) use();
      },
    }),
  );
  function use(): void {
    const wasQuiet = isQuiet();
    usedAtMs = performance.now();
    if (wasQuiet) for (const job of running) job.wake();
  }
  parts.server.addHook("onResponse", async (request) => {
    if (request.routeOptions.url !== "/health") use();
  });
  return {
    stop: async () => {
      await Promise.all(running.map((job) => job.stop()));
    },
  };
}
