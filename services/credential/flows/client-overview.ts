import type { ProviderAccount } from "../connectors/provider-data.ts";
import { badgeOf, type Client, type ClientBadge } from "../domain/client.ts";
import type { ShownConnection } from "../domain/connection.ts";
import type { ClientKey } from "../storage/client-store.ts";
import { listShownConnections } from "../storage/connection-store.ts";
import { listStoredAccounts } from "../storage/provider-data-store.ts";
import { ownClient } from "./client-customers.ts";
import type { Dependencies } from "./dependencies.ts";

/** A client as his firm is shown him. */
export interface ClientOverview extends ClientBadge {
  readonly client: Client;
  readonly accounts: readonly { readonly connection: ShownConnection; readonly account: ProviderAccount }[];
}

/** The live logins of a client. */
export async function clientConnections(deps: Dependencies, key: ClientKey): Promise<readonly ShownConnection[]> {
  const all = await listShownConnections(deps.storage.db.query, key.owner);
  return all.filter((each) => each.connector === key.connector);
}

/** A client with badge and accounts, from storage alone. Throws `CLIENT_NOT_FOUND`. */
export async function clientOverview(deps: Dependencies, key: ClientKey): Promise<ClientOverview> {
  const client = await ownClient(deps, key);
  const connections = await clientConnections(deps, key);
  const lists = await Promise.all(
    connections.map(async (connection) => {
      const accounts = await listStoredAccounts(deps.storage.db.query, connection);
      return accounts.map((account) => ({ connection, account }));
    }),
  );
  return { client, ...badgeOf(client, connections), accounts: lists.flat() };
}
