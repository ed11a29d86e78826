import type { Actor } from "../domain/audit.ts";
import { assertAccountsReadable, type Connection } from "../domain/connection.ts";
import type { SyncKind } from "../domain/sync-run.ts";
import { enqueueRun } from "../storage/sync-run-store.ts";
import type { Dependencies } from "./dependencies.ts";
import { useFailure } from "./provider-failure.ts";

/**
 * Queues a run its owner asks for and gives its id; one that waits already is joined. Throws `REAUTHORIZATION_REQUIRED` when nothing can
 * be fetched before the owner has consented anew.
 */
export async function requestRun(
  deps: Pick<Dependencies, "storage" | "clock">,
  { connection, kind }: { readonly connection: Connection; readonly kind: SyncKind },
  actor: Actor,
): Promise<string> {
  try {
    assertAccountsReadable(connection);
  } catch (error) {
    throw useFailure(error) ?? error;
  }
  const run = { connection, kind, trigger: "manual", requestedBy: actor.name, now: deps.clock.now() } as const;
  return await enqueueRun(deps.storage.db.query, run);
}
