import { runSync, type SyncParts, syncLeaseMs } from "../flows/run-sync.ts";
import { claimRun } from "../storage/sync-run-store.ts";

const lanesMax = 4;

/** Runs of a replica side by side. */
export interface SyncLanes {
  /** Begins runs that are due, as long as there are some and a lane is free; one that has ended its run takes the next by itself. */
  fill(signal: AbortSignal): Promise<void>;
  /** Waits until every lane is empty. */
  idle(): Promise<void>;
  /** How many runs were begun. */
  begun(): number;
}

/** Makes lanes that wait for nobody: a run of many pages, or at a slow provider, keeps its own lane and no other. */
export function createSyncLanes(parts: SyncParts & { readonly holder: string }): SyncLanes {
  const { deps, holder } = parts;
  const lanes = new Set<Promise<void>>();
  let begun = 0;

  const claim = () => claimRun(deps.storage.db.query, { now: deps.clock.now(), holder, leaseMs: syncLeaseMs });
  const drain = async (first: Awaited<ReturnType<typeof claim>>, signal: AbortSignal): Promise<void> => {
    for (let run = first; run !== undefined; run = signal.aborted ? undefined : await claim()) {
      begun += 1;
      await runSync(parts, { run, holder }, signal);
    }
  };
  return {
    fill: async (signal) => {
      while (!signal.aborted && lanes.size < lanesMax) {
        // Mostly there is none: one question tells.
        const run = await claim();
        if (run === undefined) return;
        const lane = drain(run, signal)
          .catch((err: unknown) => deps.log.error({ err, label: "syncs" }, "periodic work failed"))
          .finally(() => lanes.delete(lane));
        lanes.add(lane);
      }
    },
    idle: async () => {
      await Promise.all(lanes);
    },
    begun: () => begun,
  };
}
