import { inTransaction } from "../../platform/db/transaction.ts";
import { jobActor } from "../domain/audit.ts";
import { type Client, moveOfStep } from "../domain/client.ts";
import { findClientOfCustomer, lockClient, moveClient } from "../storage/client-store.ts";
import { findConnectionsNamed } from "../storage/connection-store.ts";
import { clientConnector } from "./client-customers.ts";
import { type Dependencies, detachedCall } from "./dependencies.ts";
import { keepGrant } from "./store-grant.ts";

/** A step of a consent an aggregator told of. */
export interface ConsentStep {
  readonly connector: string;
  readonly customerId: string;
  readonly step: string;
}

/**
 * Follows the consent of a firm's client. At its end every login that is new, or waited for its person, becomes a connection with its
 * first sync queued, before the client is called linked: whatever is repeated changes nothing more. False: the customer is no firm's
 * client.
 */
export async function followClientConsent(deps: Dependencies, told: ConsentStep): Promise<boolean> {
  const client = await findClientOfCustomer(deps.storage.db.query, told);
  if (client === undefined) return false;
  if (told.step === "done" || told.step === "credentialsUpdated") await adoptLogins(deps, client);
  await moveClient(deps.storage.db.query, client, { ...moveOfStep(told.step), now: deps.clock.now() });
  return true;
}

async function adoptLogins(deps: Dependencies, client: Client): Promise<void> {
  const { connector, customerId, owner } = client;
  const all = await findConnectionsNamed(deps.storage.db.query, { connector, providerReference: customerId });
  const kept = all.filter(
    (each) =>
      each.owner.tenant === owner.tenant &&
      each.owner.userId === owner.userId &&
      // One the firm has ended goes at the provider soon, and must not come back before.
      (each.state === "ACTIVE" || each.state === "ERROR" || each.stateReason === "disconnected"),
  );
  const without = new Set(kept.map((each) => each.ownerReference));
  const grants = await clientConnector(deps, connector).listGrants(customerId, without, detachedCall(deps));
  for (const grant of grants) {
    const now = deps.clock.now();
    const consent = { owner, connector };
    await inTransaction(deps.storage.db, async (tx) => {
      // Erased meanwhile: his customer is ended at the aggregator, and this login with him.
      if (!(await lockClient(tx, client))) return;
      await keepGrant(deps, tx, { consent, grant, durationMs: 0, actor: jobActor("webhook"), now });
    });
  }
}
