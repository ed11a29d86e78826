import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ClientConnector, CustomerType } from "../connectors/client-connector.ts";
import type { Client } from "../domain/client.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { type ClientKey, findClient, insertClient } from "../storage/client-store.ts";
import { userReference } from "../storage/user-reference.ts";
import { type Caller, callFor, connectorNamed, type Dependencies } from "./dependencies.ts";
import { fromProvider } from "./provider-failure.ts";

/** What a connector offers firms. Throws `CONNECTOR_NOT_FOUND` where it is not set up here. */
export function clientConnector(deps: Dependencies, name: string): ClientConnector {
  const { clients } = connectorNamed(deps, name);
  if (clients === undefined) throw new DomainError("CONNECTOR_NOT_FOUND");
  return clients;
}

/** A client. Throws `CLIENT_NOT_FOUND`, for another firm's alike. */
export async function ownClient(deps: Dependencies, key: ClientKey): Promise<Client> {
  const client = await findClient(deps.storage.db.query, key);
  if (client === undefined) throw new DomainError("CLIENT_NOT_FOUND");
  return client;
}

/**
 * Makes a firm's client a customer, or finds the one he is: at the aggregator he has the same name every time, so a call that died on the
 * way is repeated without harm. `isNew` is true for the one call that kept him.
 */
export async function ensureClient(
  deps: Dependencies,
  request: { key: ClientKey; type: CustomerType | undefined },
  caller: Caller,
): Promise<{ client: Client; isNew: boolean }> {
  const { key } = request;
  const known = await findClient(deps.storage.db.query, key);
  if (known !== undefined) return { client: known, isNew: false };
  const clients = clientConnector(deps, key.connector);
  const customerType = request.type ?? clients.customerType;
  const startedMs = performance.now();
  const wanted = { userReference: userReference(deps.storage, key.owner), type: customerType };
  const asked = { connector: key.connector, operation: "make_customer" };
  const customerId = await fromProvider(deps, asked, clients.findOrAddCustomer(wanted, callFor(deps, caller)));
  const now = deps.clock.now();
  const isNew = await inTransaction(deps.storage.db, async (tx) => {
    if (!(await insertClient(tx, { ...key, customerId, customerType, createdAt: now }))) return false;
    const durationMs = performance.now() - startedMs;
    await appendAudit(deps.storage, tx, { owner: key.owner, actor: caller.actor, now }, [
      { action: "connect", outcome: "customer_made", connector: key.connector, institutionId: "", durationMs },
    ]);
    return true;
  });
  return { client: await ownClient(deps, key), isNew };
}
