import type { Dependencies } from "../flows/dependencies.ts";
import { type ScanPlace, scheduleForgotten } from "../storage/refresh-safety-net.ts";

/**
 * The safety net under the schedule: looks at every connection, in small steps, and makes those due at once that could be refreshed
 * and are not scheduled, or only after their token has ended, and those with an answer that nobody is going to land. Returns how many it
 * found; none, unless something has gone wrong.
 */
export async function sweepUnscheduled(deps: Dependencies, signal: AbortSignal): Promise<number> {
  let found = 0;
  let place: ScanPlace | undefined;
  do {
    const step = await scheduleForgotten(deps.storage.db.query, { after: place, now: deps.clock.now() });
    found += step.scheduled;
    place = step.next;
  } while (place !== undefined && !signal.aborted);
  if (found > 0) deps.log.warn({ count: found }, "connections without a schedule were found");
  return found;
}
