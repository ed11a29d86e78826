import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUsableFor } from "../domain/connection.ts";
import type { ClientKey } from "../storage/client-store.ts";
import { enqueueRun } from "../storage/sync-run-store.ts";
import { clientConnector, ownClient } from "./client-customers.ts";
import { clientConnections } from "./client-overview.ts";
import { type Caller, callFor, type Dependencies } from "./dependencies.ts";
import { fromProvider } from "./provider-failure.ts";

/** Has a client's institutions asked and queues a run for each login; the runs' ids. Throws `CLIENT_NOT_FOUND`, `CLIENT_NOT_LINKED`. */
export async function refreshClient(deps: Dependencies, key: ClientKey, caller: Caller): Promise<readonly string[]> {
  const client = await ownClient(deps, key);
  const connections = (await clientConnections(deps, key)).filter((each) => isUsableFor(each, "accounts"));
  if (connections.length === 0) throw new DomainError("CLIENT_NOT_LINKED");
  const asked = { connector: key.connector, operation: "refresh_customer" };
  const answer = clientConnector(deps, key.connector).refresh(client.customerId, callFor(deps, caller));
  await fromProvider(deps, asked, answer).catch((error: unknown) => {
    // Institutions take up to three minutes and go on without us; the runs read what is there by then.
    if (!(error instanceof DomainError && error.reason === "PROVIDER_UNAVAILABLE")) throw error;
  });
  const jobIds: string[] = [];
  for (const connection of connections) {
    const now = deps.clock.now();
    const run = { connection, kind: "transactions", trigger: "manual", requestedBy: caller.actor.name, now } as const;
    jobIds.push(await enqueueRun(deps.storage.db.query, run));
  }
  return jobIds;
}
