import { jobActor } from "../domain/audit.ts";
import type { ConnectionKey } from "../domain/connection.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import type { Refresher } from "../flows/refresh.ts";
import { findConnection } from "../storage/connection-store.ts";
import { findDueRefreshes } from "../storage/refresh-store.ts";

const batchSize = 50;
const concurrency = 8;

/**
 * Refreshes what is due, and flies the flights that a dead process left. Safe on several replicas: the lease of each connection
 * decides. Returns how many connections it looked after.
 */
export async function sweepRefreshes(
  parts: { deps: Dependencies; refresher: Refresher },
  signal: AbortSignal,
): Promise<number> {
  const { deps, refresher } = parts;
  const keys = await findDueRefreshes(deps.storage.db.query, deps.clock.now(), batchSize);
  const queue = [...keys];
  const work = async (): Promise<void> => {
    for (let key = queue.shift(); key !== undefined && !signal.aborted; key = queue.shift()) {
      await refreshOne(deps, refresher, key, signal);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return keys.length;
}

async function refreshOne(
  deps: Dependencies,
  refresher: Refresher,
  key: ConnectionKey,
  signal: AbortSignal,
): Promise<void> {
  try {
    const connection = await findConnection(deps.storage.db.query, key);
    if (connection !== undefined) await refresher.refresh(connection, { actor: jobActor("refresh"), signal });
  } catch (err) {
    // One connection that cannot be refreshed, such as one with a damaged secret, must not hold up the others.
    if (!signal.aborted) deps.log.error({ err, connectionId: key.connectionId }, "refresh failed");
  }
}
